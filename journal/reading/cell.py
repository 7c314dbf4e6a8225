"""A cell as its readers reach it: a pool of connections, and the name of its schema."""

from typing import Any, Final

import asyncpg

from journal.store import JournalUnavailable

BIGGEST: Final = 2**63 - 1
"""Beyond every seq, position and time."""
ACQUIRE_TIMEOUT_S: Final = 10.0

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


class CellReader:
    """`pool` is shared, and its owner's to close. All methods may raise `JournalUnavailable`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", cell: str = "cell_00") -> None:
        self._pool = pool
        self._cell = cell

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                return await connection.fetch(self._sql(statement), *arguments)
        except _AWAY as fault:
            raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault

    async def _fetch_in_one_snapshot(self, *statements: str) -> list[list[Any]]:
        """Every statement sees the journal as the first one did."""
        try:
            async with (
                self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                return [await connection.fetch(self._sql(statement)) for statement in statements]
        except _AWAY as fault:
            raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault

    def _sql(self, statement: str) -> str:
        return statement.replace("{cell}", self._cell)
