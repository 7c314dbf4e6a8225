"""Data directories for tests that stop, kill and break a server of their own."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from journal.embedded import EmbeddedPostgres
from tests.conftest import FAST_SETTINGS, fast_folder

MakeServer = Callable[..., EmbeddedPostgres]


@pytest.fixture(scope="package")
def prepared_data_dir() -> Iterator[Path]:
    """A data directory whose server has been started once and stopped."""

    async def prepare(data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir, settings=FAST_SETTINGS)
        await server.start()
        await server.stop()

    with tempfile.TemporaryDirectory(prefix="charge-shop-test-", dir=fast_folder()) as folder:
        asyncio.run(prepare(Path(folder, "data")))
        yield Path(folder, "data")


@pytest.fixture
def data_dir(prepared_data_dir: Path) -> Iterator[Path]:
    """A copy of it for one test, at a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="charge-shop-test-", dir=fast_folder()) as folder:
        copy = Path(folder, "data")
        shutil.copytree(prepared_data_dir, copy)
        yield copy


@pytest.fixture
def fresh_folder() -> Iterator[Path]:
    """A private and empty one."""
    with tempfile.TemporaryDirectory(prefix="charge-shop-test-", dir=fast_folder()) as folder:
        yield Path(folder)


@pytest.fixture
async def make_server() -> AsyncIterator[MakeServer]:
    """Makes EmbeddedPostgres objects, all of them stopped when the test ends."""
    made: list[EmbeddedPostgres] = []

    def make(data_dir: Path) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(data_dir, settings=FAST_SETTINGS))
        return made[-1]

    yield make
    for server in reversed(made):
        await server.stop()


def recovers_for_ever(data_dir: Path) -> None:
    """Make the server a standby without a primary: it recovers at its next start until it is promoted."""
    cluster = data_dir / "postgres/cluster"
    (cluster / "standby.signal").touch()
    (cluster / "postgresql.auto.conf").write_text("hot_standby = off\nrestore_command = 'false'\n")


class Events:
    """What a supervisor told, in order, to be waited for."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def tell(self, text: str) -> None:
        self.told.append(text)
        self._queue.put_nowait(text)

    async def until(self, text: str) -> str:
        """The next event that contains the text; those before it are passed over."""
        async with asyncio.timeout(30):
            while text not in (event := await self._queue.get()):
                pass
            return event


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def in_background() -> AsyncIterator[Callable[[Awaitable[None]], asyncio.Future[None]]]:
    """Runs an awaitable beside the test; a failure in it fails the test."""
    tasks: list[asyncio.Future[None]] = []

    def run(work: Awaitable[None]) -> asyncio.Future[None]:
        tasks.append(asyncio.ensure_future(work))
        return tasks[-1]

    yield run
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
