"""Connections to the database: what it means when one fails, and how one of a pool is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from journal.store import JournalUnavailable

CONNECTION_FAULTS: Final = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection went away between two states of its protocol
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, terminated
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,  # the server's own input and output
    asyncpg.InvalidTransactionStateError,  # demoted to a replica; a time limit of the server's on transactions
    asyncpg.LockNotAvailableError,  # its limit on waits for locks
    asyncpg.TransactionRollbackError,  # deadlock, serialization
)
"""Faults of the connection or the server, after which the same statement may be tried again; not of the statement.
Among them are those of limits that an operator has set for the role, the database or the server."""


@asynccontextmanager
async def borrowed(pool: "asyncpg.Pool[asyncpg.Record]", timeout_s: float) -> AsyncIterator[Any]:
    """A connection of the pool, waited for at most so long. Raises JournalUnavailable if it fails or does not come."""
    try:
        async with pool.acquire(timeout=timeout_s) as connection:
            yield connection
    except CONNECTION_FAULTS as fault:
        raise_if_cancelled(fault)
        raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault


def raise_if_cancelled(fault: BaseException) -> None:
    """Raises the cancellation whose place a fault has taken.

    When a task is cancelled while the database works for it, its statement is cancelled there before the connection is
    given back to the pool. If that fails too, the task sees the fault instead of its cancellation, believes that the
    database is away, and goes on: a sweeper that nobody can stop, an actor that decides while its account is loaded
    afresh."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from fault
