"""Migrations: each applied once and whole, by whoever may, and a database that does not fit is told in one line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from journal.migrate import Migration, check_version, migrate, shipped
from journal.schema_faults import (
    DatabaseNewer,
    DatabaseUnreachable,
    DatabaseUnsuitable,
    MigrationChanged,
    MigrationFailed,
    NotMigrated,
    SchemaFault,
)
from tests.conftest import Database

ONE = Migration(1, "one", "CREATE TABLE shop.one (id int PRIMARY KEY)")
TWO = Migration(2, "two", "CREATE TABLE shop.two (id int PRIMARY KEY); INSERT INTO shop.two VALUES (1)")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(url: str) -> set[str]:
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'shop'")
        return {row["tablename"] for row in rows}


async def test_an_empty_database_is_migrated_once(empty_database: Database) -> None:
    assert await migrate(empty_database.owner_url) == len(shipped())
    assert await migrate(empty_database.owner_url) == 0
    await check_version(empty_database.owner_url)


async def test_what_was_applied_is_written_down(empty_database: Database) -> None:
    await migrate(empty_database.owner_url, migrations=[ONE, TWO])
    async with connected(empty_database.owner_url) as connection:
        rows = await connection.fetch("SELECT version, name, sha256, applied_at FROM shop.migrations")
        now = await connection.fetchval("SELECT now()")
    assert [(row["version"], row["name"], row["sha256"]) for row in rows] == [
        (1, "one", ONE.sha256),
        (2, "two", TWO.sha256),
    ]
    assert all(0 <= (now - row["applied_at"]).total_seconds() < 60 for row in rows)


async def test_only_what_is_missing_is_applied(empty_database: Database) -> None:
    assert await migrate(empty_database.owner_url, migrations=[ONE]) == 1
    assert await migrate(empty_database.owner_url, migrations=[ONE, TWO]) == 1


async def test_instances_that_start_at_once_apply_each_migration_once(empty_database: Database) -> None:
    counts = await asyncio.gather(*(migrate(empty_database.owner_url) for _ in range(8)))
    assert sum(counts) == len(shipped())


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database: Database) -> None:
    broken = Migration(2, "broken", "CREATE TABLE shop.half (id int PRIMARY KEY);\nSELECT 1/0")
    with pytest.raises(MigrationFailed, match=r"0002_broken .*division by zero") as failure:
        await migrate(empty_database.owner_url, migrations=[ONE, broken])
    assert "\n" not in str(failure.value)
    assert await tables(empty_database.owner_url) == {"migrations", "one"}
    assert await migrate(empty_database.owner_url, migrations=[ONE, TWO]) == 1


async def test_a_database_of_a_later_release_is_refused(empty_database: Database) -> None:
    await migrate(empty_database.owner_url, migrations=[ONE, TWO])
    with pytest.raises(DatabaseNewer, match="version 2, newer than this release"):
        await migrate(empty_database.owner_url, migrations=[ONE])
    with pytest.raises(DatabaseNewer):
        await check_version(empty_database.owner_url, migrations=[ONE])


@pytest.mark.parametrize(
    ("columns", "row"),
    [("id int", "1"), ("version text, sha256 text", "'first', 'x'"), ("version date, sha256 int", "")],
)
async def test_a_database_of_another_program_is_refused(empty_database: Database, columns: str, row: str) -> None:
    """Its schema may be called `shop` too, and may keep a record of its own migrations."""
    async with connected(empty_database.owner_url) as owner:
        await owner.execute(f"CREATE SCHEMA shop; CREATE TABLE shop.migrations ({columns})")
        if row:
            await owner.execute(f"INSERT INTO shop.migrations VALUES ({row})")
    with pytest.raises(DatabaseUnsuitable, match=r"shop\.migrations is not that of Charge Shop"):
        await migrate(empty_database.owner_url)
    assert await tables(empty_database.owner_url) == {"migrations"}


async def test_a_migration_edited_after_it_was_applied_is_refused(empty_database: Database) -> None:
    await migrate(empty_database.owner_url, migrations=[ONE])
    edited = Migration(1, "one", ONE.sql + " ")
    with pytest.raises(MigrationChanged, match="0001_one"):
        await migrate(empty_database.owner_url, migrations=[edited, TWO])
    with pytest.raises(MigrationChanged):
        await check_version(empty_database.owner_url, migrations=[edited])
    assert await tables(empty_database.owner_url) == {"migrations", "one"}


async def test_a_database_that_lacks_migrations_is_not_served(empty_database: Database) -> None:
    with pytest.raises(NotMigrated, match="charge-shop migrate"):
        await check_version(empty_database.owner_url)
    await migrate(empty_database.owner_url, migrations=[ONE])
    with pytest.raises(NotMigrated, match="0002_two"):
        await check_version(empty_database.owner_url, migrations=[ONE, TWO])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret/word@localhost/db",
        "postgresql://user:s3cret@localhost:70000/db",
        "postgresql://user:s3cret@localhost:1/db",
        "postgresql:///db?host=/nowhere&user=user&password=s3cret",
        "mysql://user:s3cret@localhost/db",
        "s3cret",
    ],
)
async def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(url: str) -> None:
    for attempt in (migrate(url), check_version(url)):
        with pytest.raises(DatabaseUnreachable) as failure:
            await attempt
        assert "s3cret" not in str(failure.value)
        assert "\n" not in str(failure.value)


async def test_a_wrong_password_is_one_line_without_it(database: Database) -> None:
    user, _, rest = database.app_url.removeprefix("postgresql://").partition(":")
    wrong = f"postgresql://{user}:s3cret@{rest.partition('@')[2]}"
    with pytest.raises(DatabaseUnreachable, match="password authentication failed") as failure:
        await check_version(wrong)
    assert "s3cret" not in str(failure.value)


async def test_a_database_that_goes_away_while_it_is_looked_at_is_one_line(database: Database) -> None:
    """Whatever ends the statement: here the time for which it may wait for a lock."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"ALTER DATABASE {database.name} SET lock_timeout = '20ms'")
    async with owner.transaction():
        await owner.execute("LOCK TABLE shop.migrations")
        for attempt in (migrate(database.owner_url), check_version(database.app_url)):
            with pytest.raises(DatabaseUnreachable, match="lock timeout"):
                await attempt
    await owner.close()


async def test_a_server_that_does_not_store_utf8_is_refused(postgres, empty_database: Database) -> None:
    async with connected(empty_database.owner_url) as connection:
        await connection.execute("CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(SchemaFault, match="UTF8, not LATIN1"):
            await migrate(postgres.url("owner", "latin1"))
    finally:
        async with connected(empty_database.owner_url) as connection:
            await connection.execute("DROP DATABASE latin1")


async def test_every_table_has_a_primary_key(database: Database) -> None:
    """A schema can be moved to another server online only then."""
    async with connected(database.owner_url) as connection:
        without = await connection.fetch(
            """SELECT t.schemaname, t.tablename FROM pg_tables t
                WHERE t.schemaname NOT IN ('pg_catalog', 'information_schema')
                  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indisprimary
                      AND i.indrelid = format('%I.%I', t.schemaname, t.tablename)::regclass)"""
        )
    assert without == []
