"""What the service is measured against: the bare stack, and the usual design. Each file is a program of its own."""
