"""The scenario: a sale that once went wrong, played again with all that clients do to a shop: `make scenario`.

In reading order: `plan` (what will be asked), `play` (asks it), `performance` (both plays, one after the other, their
progress, and `kills` on the way), `report` (the tables).
"""
