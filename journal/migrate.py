"""Migrations: brings a database to the schema that this release works with, and checks that it is there.

`migrations/NNNN_name.sql` are applied in the order of their numbers, each in one transaction together with
its row in `shop.migrations`: a migration happened entirely, and is known to have, or it did not happen. An
advisory lock held by each of these transactions lets several instances start at once. A file that was ever
released is never edited again; its checksum is compared at every start.

Adding a migration: 1. the next number, `migrations/NNNN_what_it_does.sql`; 2. statements that run inside a
transaction (no CREATE INDEX CONCURRENTLY) and name every object with its schema; 3. a primary key on every
table; 4. grants to `charge_shop_service` of exactly what the service does with it.

Must not be used by the service's own role: it runs as the owner of the tables.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final

import asyncpg
from msgspec import Struct

from journal.connections import CONNECTION_FAULTS
from journal.schema_faults import (
    DatabaseNewer,
    DatabaseUnreachable,
    DatabaseUnsuitable,
    MigrationChanged,
    MigrationFailed,
    NotMigrated,
    PrivilegeMissing,
)
from journal.service_role import SERVICE_ROLE, ensure_service_role

SERVER_VERSION_MIN: Final = 16
_CONNECT_TIMEOUT_S: Final = 15
_LOCK_KEY: Final = 0x63686172676573  # "charges": any number that nothing else in the database takes

_HAS_MIGRATIONS: Final = """
    SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = 'shop' AND c.relname = 'migrations')
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_BEGINNING: Final = f"""
    CREATE SCHEMA IF NOT EXISTS shop;
    CREATE TABLE shop.migrations (
        version     integer PRIMARY KEY CHECK (version > 0),
        name        text NOT NULL,
        sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
        applied_at  timestamptz NOT NULL DEFAULT now()
    );
    GRANT USAGE ON SCHEMA shop TO {SERVICE_ROLE};
    GRANT SELECT ON shop.migrations TO {SERVICE_ROLE};
"""
_APPLIED: Final = "SELECT version::integer, sha256::bytea FROM shop.migrations ORDER BY version"
_RECORD: Final = "INSERT INTO shop.migrations (version, name, sha256) VALUES ($1, $2, $3)"


class Migration(Struct, frozen=True):
    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()

    @property
    def label(self) -> str:
        return f"{self.version:04d}_{self.name}"


def shipped() -> tuple[Migration, ...]:
    """The migrations of this release, numbered 1..n."""
    migrations = []
    for file in resources.files("journal").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name, re.ASCII):
            migrations.append(Migration(int(match[1]), match[2], file.read_bytes().decode()))
    migrations.sort(key=lambda migration: migration.version)
    assert [m.version for m in migrations] == list(range(1, len(migrations) + 1)), "a number is missing or twice"
    return tuple(migrations)


async def migrate(owner_url: str, *, app_user: str | None = None, migrations: Sequence[Migration] | None = None) -> int:
    """Applies what has not been applied, as the user of `owner_url`; answers how many migrations that were.

    `app_user` is the user that the service will connect as, when it is not the owner: it is given the
    service's role. Does nothing, and needs no privilege, when all is in place already.

    Raises:
        SchemaFault: one of its kinds, with a one-line message.
    """
    migrations = shipped() if migrations is None else migrations
    count = 0
    async with _connected(owner_url) as connection:
        _require_server(connection)
        await ensure_service_role(connection, app_user)
        if _pending(await _applied(connection), migrations):
            await _begin(connection)
            for migration in migrations:
                count += await _apply(connection, migration, migrations)
    return count


async def check_version(url: str, *, migrations: Sequence[Migration] | None = None) -> None:
    """Makes sure that the service can work with the database as it is, as the user of `url`. Changes nothing.

    Raises:
        SchemaFault: one of its kinds, with a one-line message.
    """
    migrations = shipped() if migrations is None else migrations
    async with _connected(url) as connection:
        _require_server(connection)
        user = connection.get_settings().session_authorization
        if not await connection.fetchval(_HAS_MIGRATIONS):
            raise NotMigrated("the database has not been migrated: run `charge-shop migrate` as its owner")
        try:
            await connection.execute(f"SET ROLE {SERVICE_ROLE}")
            applied = await _applied(connection)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError):
            raise PrivilegeMissing(
                f'user "{user}" may not act as the role {SERVICE_ROLE}; as the owner run: '
                f'GRANT {SERVICE_ROLE} TO "{user}"'
            ) from None
        if pending := _pending(applied, migrations):
            raise NotMigrated(
                f"the database lacks migration {pending[0].label}: run `charge-shop migrate` as its owner"
            )


async def _begin(connection: asyncpg.Connection) -> None:
    """Makes the place where migrations are written down, unless another instance has just made it."""
    try:
        async with connection.transaction(isolation="read_committed"):
            await connection.execute(_LOCK, _LOCK_KEY)
            if not await connection.fetchval(_HAS_MIGRATIONS):
                await connection.execute(_BEGINNING)
    except asyncpg.InsufficientPrivilegeError as error:
        raise PrivilegeMissing(
            f"{error}: the owner needs CREATE on the database, or a schema shop that it owns"
        ) from None


async def _apply(connection: asyncpg.Connection, migration: Migration, migrations: Sequence[Migration]) -> bool:
    """Applies the migration unless another instance has, meanwhile; says whether it was this one."""
    try:
        async with connection.transaction(isolation="read_committed"):
            await connection.execute(_LOCK, _LOCK_KEY)
            # Only behind the lock is it certain what others have applied.
            if migration not in _pending(await _applied(connection), migrations):
                return False
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.version, migration.name, migration.sha256)
            return True
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"migration {migration.label} failed and was rolled back: {error}") from error


async def _applied(connection: asyncpg.Connection) -> Mapping[int, bytes]:
    if not await connection.fetchval(_HAS_MIGRATIONS):
        return {}
    try:
        return {row["version"]: row["sha256"] for row in await connection.fetch(_APPLIED)}
    except (asyncpg.UndefinedColumnError, asyncpg.CannotCoerceError, asyncpg.DataError):
        raise DatabaseUnsuitable(
            "the table shop.migrations is not that of Charge Shop: give the address of another database"
        ) from None


def _pending(applied: Mapping[int, bytes], migrations: Sequence[Migration]) -> list[Migration]:
    """Those of `migrations` that are still to be applied, after a look at those that are not."""
    newest = max(applied, default=0)
    if newest > len(migrations):
        raise DatabaseNewer(
            f"the database is at version {newest}, newer than this release, which knows {len(migrations)}: "
            "run a later release"
        )
    for migration in migrations:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationChanged(f"migration {migration.label} is not what was applied to the database")
    return [migration for migration in migrations if migration.version not in applied]


def _require_server(connection: asyncpg.Connection) -> None:
    version = connection.get_server_version()
    settings = connection.get_settings()
    if version.major < SERVER_VERSION_MIN:
        raise DatabaseUnsuitable(
            f"PostgreSQL {SERVER_VERSION_MIN} or later is needed, the server is {version.major}.{version.minor}"
        )
    if settings.server_encoding != "UTF8":
        raise DatabaseUnsuitable(f"the database must store UTF8, not {settings.server_encoding}")
    if getattr(settings, "in_hot_standby", "off") == "on":
        raise DatabaseUnsuitable("the server is a read-only replica: give the address of the primary")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own: for a moment, and with none of the service's settings."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
    except TimeoutError:
        raise DatabaseUnreachable(f"the database did not answer within {_CONNECT_TIMEOUT_S} s") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        raise DatabaseUnreachable(f"cannot connect to the database: {error}") from None
    except (ValueError, asyncpg.InterfaceError):
        # What the parser of the URL complains of may be a piece of the password.
        raise DatabaseUnreachable("cannot connect to the database: its URL is not a valid one") from None
    try:
        yield connection
    except CONNECTION_FAULTS as error:
        raise DatabaseUnreachable(f"the database went away: {error}") from error
    finally:
        try:
            await asyncio.wait_for(connection.close(), _CONNECT_TIMEOUT_S)
        except (asyncpg.PostgresError, *CONNECTION_FAULTS):
            connection.terminate()
