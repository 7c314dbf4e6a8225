"""Restores are written down for ever, and nobody but the owner of the tables ends what they begin."""

from datetime import UTC, datetime

import asyncpg
import pytest

from journal.restores import confirm_restores, record_restore, restores
from journal.schema_faults import PrivilegeMissing
from journal.service_role import SERVICE_ROLE
from tests.conftest import Database

MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_a_restore_is_told_with_its_confirmation(database: Database) -> None:
    assert await restores(database.app_url) == []
    first = await record_restore(database.owner_url, by="one", backup_made_at=MADE_AT)
    second = await record_restore(database.owner_url, by="two")
    assert [(each.number, each.restored_by, each.backup_made_at) for each in (first, second)] == [
        (1, "one", MADE_AT),
        (2, "two", None),
    ]
    assert second.epoch == first.epoch + 1
    assert await restores(database.app_url) == [first, second]

    confirmed = await confirm_restores(database.owner_url, by="three")
    assert [(each.number, each.confirmed_by) for each in confirmed] == [(1, "three"), (2, "three")]
    assert await restores(database.app_url) == confirmed
    assert await confirm_restores(database.owner_url, by="four") == []


async def test_the_service_cannot_thaw_a_journal(database: Database) -> None:
    await record_restore(database.owner_url, by="operator")
    with pytest.raises(PrivilegeMissing, match="--migration-url"):
        await confirm_restores(database.app_url, by="service")
    connection = await asyncpg.connect(database.app_url, server_settings={"role": SERVICE_ROLE})
    try:
        await connection.execute("UPDATE cell_00.lease SET epoch = epoch + 1, owner = 'me', expires_at = now()")
        for statement in (
            "UPDATE cell_00.lease SET is_frozen = false",
            "INSERT INTO cell_00.restore_confirmations VALUES (1, now(), 'me')",
            "DELETE FROM cell_00.restores",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_was_written_down_stays(database: Database) -> None:
    await record_restore(database.owner_url, by="operator")
    await confirm_restores(database.owner_url, by="operator")
    connection = await asyncpg.connect(database.owner_url)
    try:
        for table in ("restores", "restore_confirmations"):
            for statement in (f"DELETE FROM cell_00.{table}", f"TRUNCATE cell_00.{table} CASCADE"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="can only be appended to"):
                    await connection.execute(statement)
    finally:
        await connection.close()
