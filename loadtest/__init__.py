"""Plays load over HTTP and checks every answer against the journal."""
