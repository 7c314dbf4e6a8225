"""Facts and their durability: the entry, its chain, the group commit, the Postgres store, the fence, what is read."""
