"""Rules and order: what may happen to a seller's account, and the actor that lets it happen one at a time."""
