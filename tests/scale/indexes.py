"""Indexes out of the way of a load: dropped before, made again after it, as they were.

What they are is asked of the database, so a migration that adds one need not be known here.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

# Keys that a foreign key leans on cannot go, and are small.
KEYS: Final = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname) AS drop,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) AS make
FROM pg_constraint c WHERE c.conrelid = ANY($1::regclass[]) AND c.contype IN ('p', 'u')
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = c.conindid)"""
OTHERS: Final = """
SELECT format('DROP INDEX %s', i.indexrelid::regclass) AS drop, pg_get_indexdef(i.indexrelid) AS make
FROM pg_index i WHERE i.indrelid = ANY($1::regclass[])
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))"""


class Dropped(Struct, frozen=True):
    statements: list[str]
    """That make them again."""


async def drop_indexes(connection: Any, tables: tuple[str, ...]) -> Dropped:
    found = await connection.fetch(KEYS, tables) + await connection.fetch(OTHERS, tables)
    for each in found:
        await connection.execute(each["drop"])
    return Dropped([each["make"] for each in found])


async def make_again(connection: Any, dropped: Dropped, on_made: Callable[[], None]) -> None:
    for statement in dropped.statements:
        await connection.execute(statement)
        on_made()
