"""HTTP itself, whatever is served: connections, requests, how they are read and answered. Knows nothing of charges."""
