"""A real PostgreSQL for every test that asks for one: one server for the run, a fresh migrated database per test.

Tests may run in several processes, each with a server of its own. One that is marked `alone` measures, or says what
happens within some time: nothing runs beside it.
"""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from journal.embedded import APP_ROLE, EmbeddedPostgres
from journal.migrate import migrate

TEMPLATE = "migrated"
# What only a power cut could lose may be lost here, so that a database is made and dropped in milliseconds.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_connections": "200"}

MEMORY_DISK = Path("/dev/shm")
MEMORY_DISK_FREE_BYTES_MIN = 2 * 1024**3

_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_is_alone)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Holds this file's lock, which is shared by all tests but those that are alone."""
    with Path(__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX if _is_alone(item) else fcntl.LOCK_SH)
        return (yield)


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def fast_folder() -> str | None:
    """Where temporary servers live: in memory where that is possible, as a cluster is a thousand files; None means
    the usual place."""
    if not os.access(MEMORY_DISK, os.W_OK | os.X_OK):
        return None
    return str(MEMORY_DISK) if shutil.disk_usage(MEMORY_DISK).free >= MEMORY_DISK_FREE_BYTES_MIN else None


@dataclass(frozen=True)
class Database:
    """A test's own database: `owner_url` migrates, `app_url` is what the service signs in with."""

    name: str
    owner_url: str
    app_url: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server of this test run. Tests that stop or break a server make one of their own."""
    with tempfile.TemporaryDirectory(prefix="charge-shop-tests-", dir=fast_folder()) as folder:
        server = EmbeddedPostgres(Path(folder, "data"), settings=FAST_SETTINGS)
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database in which every migration has run, to be copied."""

    async def make() -> None:
        await _execute(postgres, f'CREATE DATABASE "{TEMPLATE}"')
        await migrate(postgres.url("owner", TEMPLATE), app_user=APP_ROLE)

    asyncio.run(make())
    return TEMPLATE


@pytest.fixture
async def database(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    async with _fresh_database(postgres, migrated_template) as made:
        yield made


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database in which nothing has run yet."""
    async with _fresh_database(postgres, "template1") as made:
        yield made


@asynccontextmanager
async def _fresh_database(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Database]:
    name = f"test_{next(_numbers)}"
    await _execute(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield Database(name, postgres.url("owner", name), postgres.url("app", name))
    finally:
        await _execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(postgres: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(postgres.url("owner", "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
