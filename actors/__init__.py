"""Rules and order: what may happen to an account, and the actor that lets one thing happen at a time."""
