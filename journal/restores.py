"""Restores of a journal: written down for ever, and the journal frozen until an operator has confirmed them.

A restored journal may lack what was acknowledged after its backup was made. So it begins with a new epoch, which
whoever held the lease has not, and with a lease that is frozen: the flush statement writes nothing under it. The
operator, who can find out what is missing, ends that by a confirmation.

Needs the owner of the tables, but for `restores`, which needs the right to read. The service has no other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
from msgspec import Struct

from journal.connections import CONNECTION_FAULTS
from journal.schema_faults import PrivilegeMissing
from journal.service_role import SERVICE_ROLE
from journal.store import JournalUnavailable, JournalUnreadable

CONNECT_TIMEOUT_S: Final = 15.0

# Every flush holds the lease's row: behind this lock none is under way, and the last position is the last. The lease
# still runs out when it would have: until then its owner may be answering reads from memory, and no other may write.
FREEZE: Final = "UPDATE {cell}.lease SET epoch = epoch + 1, owner = NULL, is_frozen = true RETURNING epoch"
UNFREEZE: Final = "UPDATE {cell}.lease SET is_frozen = false"
RECORD: Final = """
INSERT INTO {cell}.restores (number, restored_at, restored_by, backup_made_at, last_position, epoch)
SELECT (SELECT coalesce(max(number), 0) + 1 FROM {cell}.restores), clock_timestamp(), $1, $2,
    (SELECT coalesce(max(position), 0) FROM {cell}.entries), $3"""
CONFIRM: Final = """
INSERT INTO {cell}.restore_confirmations (number, confirmed_at, confirmed_by)
SELECT number, clock_timestamp(), $1 FROM {cell}.restores r
WHERE NOT EXISTS (SELECT FROM {cell}.restore_confirmations c WHERE c.number = r.number)
RETURNING number"""
RESTORES: Final = """
SELECT number, restored_at, restored_by, backup_made_at, last_position, epoch, confirmed_at, confirmed_by
FROM {cell}.restores LEFT JOIN {cell}.restore_confirmations USING (number) ORDER BY number"""


class Restore(Struct, frozen=True):
    number: int
    restored_at: datetime
    restored_by: str
    backup_made_at: datetime | None
    last_position: int
    """Of the journal as it was restored."""
    epoch: int
    confirmed_at: datetime | None
    confirmed_by: str | None


async def restores(url: str, *, cell: str = "cell_00") -> list[Restore]:
    """All that there ever were, in order. Raises JournalUnavailable and JournalUnreadable."""
    async with _connected(url, {"role": SERVICE_ROLE}) as connection:
        return await _fetch(connection, cell)


async def record_restore(
    owner_url: str, *, by: str, backup_made_at: datetime | None = None, cell: str = "cell_00"
) -> Restore:
    """The journal was restored: freezes it, whoever may be using it.

    Raises JournalUnavailable, JournalUnreadable and PrivilegeMissing."""
    async with _connected(owner_url) as connection, connection.transaction(isolation="read_committed"):
        epoch = await connection.fetchval(FREEZE.replace("{cell}", cell))
        await connection.execute(RECORD.replace("{cell}", cell), by, backup_made_at, epoch)
        return (await _fetch(connection, cell))[-1]


async def confirm_restores(owner_url: str, *, by: str, cell: str = "cell_00") -> list[Restore]:
    """Sales may go on. Answers the restores that were waiting for this.

    Raises JournalUnavailable, JournalUnreadable and PrivilegeMissing."""
    async with _connected(owner_url) as connection, connection.transaction(isolation="read_committed"):
        await connection.execute(UNFREEZE.replace("{cell}", cell))
        confirmed = {row["number"] for row in await connection.fetch(CONFIRM.replace("{cell}", cell), by)}
        return [restore for restore in await _fetch(connection, cell) if restore.number in confirmed]


async def _fetch(connection: Any, cell: str) -> list[Restore]:
    return [Restore(*row) for row in await connection.fetch(RESTORES.replace("{cell}", cell))]


@asynccontextmanager
async def _connected(url: str, settings: dict[str, str] | None = None) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InsufficientPrivilegeError as error:
        raise PrivilegeMissing(f"{error}: this takes the owner of the tables, give --migration-url") from None
    except CONNECTION_FAULTS as fault:
        raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault
    except asyncpg.PostgresError as fault:
        raise JournalUnreadable(f"the record of restores cannot be used: {' '.join(str(fault).split())}") from fault
    except OverflowError:
        raise JournalUnreadable("the record of restores has a time that no restore can have") from None
