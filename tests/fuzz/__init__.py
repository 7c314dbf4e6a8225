"""Hostile input against a real service process: a corpus of our own, and whatever the served document allows."""
