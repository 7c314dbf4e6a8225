"""Where the database is: the embedded server under the data directory, or the served one of a URL.

Whoever needs the journal opens a `DatabaseHome` here and gets URLs that work, whichever it is. The service takes
the data directory for itself alone; the other commands share the server with it, or start it for as long as
they need it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from msgspec import Struct

from journal.connections import CONNECTION_FAULTS
from journal.embedded import EmbeddedPostgres, running
from journal.embedded.layout import APP_ROLE
from journal.embedded.server import Say
from journal.migrate import check_version, migrate
from journal.service_role import SERVICE_ROLE
from journal.store import JournalUnavailable

STATEMENT_CACHE: Final = 1024
COMMAND_TIMEOUT_S: Final = 30.0
"""For everything but the flush, which has no time limit (see `journal.committer`) and a connection of its own."""


class DatabaseHome(Struct, frozen=True):
    """URLs may hold passwords: never to be logged, nor given to a program as an argument."""

    app_url: str
    """For the service, whose role can only append to the journal."""
    owner_url: str
    """For migrations. The same as `app_url` where a served database has only one user."""
    is_ours_alone: bool
    """Nobody else can be serving from it: the lease of a former owner is known to be dead."""
    server: EmbeddedPostgres | None = None


@asynccontextmanager
async def home_for_serving(
    data_dir: Path, database_url: str | None, migration_url: str | None, say: Say
) -> AsyncIterator[DatabaseHome]:
    """Takes the data directory (a second service on it is refused) and starts or adopts its server; or uses the URL."""
    if database_url is not None:
        yield DatabaseHome(database_url, migration_url or database_url, is_ours_alone=False)
        return
    server = EmbeddedPostgres(data_dir)
    server.acquire_lock()
    try:
        await server.start(say)
        yield DatabaseHome(server.app_url, server.owner_url, is_ours_alone=True, server=server)
    finally:
        await server.stop()


@asynccontextmanager
async def home_for_command(
    data_dir: Path, database_url: str | None, migration_url: str | None = None, *, create: bool = False
) -> AsyncIterator[DatabaseHome]:
    """For a command beside the service. `create`: make the embedded database if there is none."""
    if database_url is not None:
        yield DatabaseHome(database_url, migration_url or database_url, is_ours_alone=False)
        return
    async with running(data_dir, create=create) as server:
        yield DatabaseHome(server.app_url, server.owner_url, is_ours_alone=False, server=server)


async def bring_up_to_date(home: DatabaseHome) -> int:
    """Applies what migrations are missing and checks the result; how many that were. Raises a SchemaFault."""
    applied = await migrate(home.owner_url, app_user=_user_of(home))
    await check_version(home.app_url)
    return applied


def _user_of(home: DatabaseHome) -> str | None:
    """The user that the service signs in as, where it is not the owner."""
    if home.server is not None:
        return APP_ROLE
    if home.owner_url == home.app_url:
        return None
    url = urlsplit(home.app_url)
    user = unquote(url.username) if url.username else next(iter(parse_qs(url.query).get("user", [])), None)
    return user or None


@asynccontextmanager
async def pool_of(
    url: str, size_max: int, settings: Mapping[str, str] | None = None
) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Connections that act as the service's role, whoever the URL signs in as. Raises JournalUnavailable."""
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size_max,
            max_inactive_connection_lifetime=60,
            statement_cache_size=STATEMENT_CACHE,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings={"role": SERVICE_ROLE, "application_name": "charge-shop", "jit": "off", **(settings or {})},
        )
    except (asyncpg.PostgresError, *CONNECTION_FAULTS) as fault:
        raise JournalUnavailable(f"cannot connect to the database: {fault}") from fault
    try:
        yield pool
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()
