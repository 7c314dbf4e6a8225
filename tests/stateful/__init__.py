"""Any order of commands, against a ledger of dictionaries: through the actor in memory, and over HTTP."""
