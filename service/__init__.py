"""HTTP: decode, authenticate, ask the actor, encode; and the composition of the whole."""
