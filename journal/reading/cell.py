"""A cell as its readers reach it: a pool of connections, and the name of its schema."""

import asyncio
from typing import Any, Final, TypeAlias

import asyncpg

from journal.connections import borrowed

BIGGEST: Final = 2**63 - 1
"""Beyond every seq, position and time."""
ACQUIRE_TIMEOUT_S: Final = 10.0

READ_SETTINGS: Final = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""For the `server_settings` of a reader's pool: by index and in order is the one way left to read a page, so its
plan can be made once, on tables however empty, and stays right."""
SUMMING_SETTINGS: Final = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_sort = on"
"""For what reads everything."""

SUMS_AT_ONCE: Final = 2
"""Of what reads for seconds in a large journal: lists must find a connection meanwhile."""

Question: TypeAlias = tuple[Any, ...]
"""A statement and its arguments."""


class CellReader:
    """`pool` is shared, and its owner's to close. All methods may raise `JournalUnavailable`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", cell: str = "cell_00") -> None:
        self._pool = pool
        self._cell = cell
        self._sums: Final = asyncio.Semaphore(SUMS_AT_ONCE)

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        async with borrowed(self._pool, ACQUIRE_TIMEOUT_S) as connection:
            rows: list[Any] = await connection.fetch(self._sql(statement), *arguments)
            return rows

    async def _fetch_at_once(self, *questions: Question, settings: str | None = None) -> list[list[Any]]:
        """For sums. Each statement, with its arguments, sees the journal as the first one did."""
        async with (
            self._sums,
            borrowed(self._pool, ACQUIRE_TIMEOUT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            if settings is not None:
                await connection.execute(settings)
            return [await connection.fetch(self._sql(statement), *arguments) for statement, *arguments in questions]

    def _sql(self, statement: str) -> str:
        return statement.replace("{cell}", self._cell)
