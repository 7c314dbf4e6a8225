"""Connections to the `shop` schema, and what it means when one of them fails.

Identity's tables are ordinary ones: a statement or a short transaction each, no order to keep. A read that
fails can simply be asked again. A write whose COMMIT got no answer may have happened; it is not resolved as
the journal's flushes are, the caller is told that it is not known.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from journal.connections import CONNECTION_FAULTS, borrowed, raise_if_cancelled
from journal.store import JournalUnavailable, NotApplied, OutcomeUnknown

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

SETTINGS: Final = {"plan_cache_mode": "force_custom_plan"}
"""For the `server_settings` of its pool: how to search a million sellers depends on how many have the text, and a plan
for just any text is a bad one for most."""


class Database:
    """A small pool, whose connections act as the service's role."""

    def __init__(self, pool: Pool, *, acquire_timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s

    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """Raises JournalUnavailable."""
        return borrowed(self._pool, self._acquire_timeout_s)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """One transaction. Raises JournalUnavailable, NotApplied or OutcomeUnknown.

        Read committed: each statement sees what was committed before it, which is what the row locks here
        rely on.
        """
        is_committing = False
        try:
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                transaction = connection.transaction(isolation="read_committed")
                await transaction.start()
                try:
                    yield connection
                except BaseException:
                    if not connection.is_closed():
                        await transaction.rollback()
                    raise
                is_committing = True
                await transaction.commit()
        except asyncpg.TransactionRollbackError as fault:  # deadlock, serialization
            raise NotApplied(str(fault)) from fault
        except CONNECTION_FAULTS as fault:
            raise_if_cancelled(fault)
            raise (OutcomeUnknown if is_committing else JournalUnavailable)(str(fault)) from fault
