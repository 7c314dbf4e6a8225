"""The deployment files: parsed against their promises, and nginx run for real in front of a stand-in."""
