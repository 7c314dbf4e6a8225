"""EmbeddedPostgres: the server of one data directory, from the first start to the last user's leaving.

What holds:
- Only one process serves from a data directory (`acquire_lock`); its lock ends with it, however it ends.
- Starting and stopping happen under the mutex, one process at a time.
- Whoever uses the server holds `users`, shared. Nobody stops a server that somebody else still uses.
- A server that runs already is adopted, so a kill -9 of the service costs nothing but a new connection.

Must not: hold data, decide about leases, or put a password where it could be logged.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from journal.embedded.binaries import bin_dir
from journal.embedded.cluster import make_cluster, write_settings
from journal.embedded.errors import DataDirectoryInUse, EmbeddedPostgresError, StartFailed, unusable
from journal.embedded.launch import choose_launch
from journal.embedded.layout import APP_ROLE, OWNER_ROLE, PORT, Layout
from journal.embedded.locks import FileLock
from journal.embedded.postmaster import POLL_S, Postmaster
from journal.embedded.roles import ensure_database_and_roles

DATABASE = "charge_shop"
STOP_TIMEOUT_S = 30.0
RESTART_DELAY_MIN_S = 0.1
RESTART_DELAY_MAX_S = 5.0

Say = Callable[[str], None]
"""Tells an operator, in a line, what goes on."""


def _say_nothing(_: str) -> None:
    pass


class EmbeddedPostgres:
    """One process's use of the server under `data_dir`. Made without touching the disk.

    `settings` are further lines of postgresql.conf, for tests; they win over ours.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._layout = Layout(data_dir)
        self._settings = dict(settings or {})
        self._serve_lock = FileLock(self._layout.lock)
        self._use = FileLock(self._layout.users)
        self._postmaster: Postmaster | None = None
        self.socket_dir: Path | None = None
        """Of the server, once it has been started."""
        self._leaving = asyncio.Event()
        self.is_adopted = False

    @property
    def data_dir(self) -> Path:
        return self._layout.data_dir

    @property
    def pgpass(self) -> Path:
        """The file with the passwords, for `PGPASSFILE`."""
        return self._layout.pgpass

    @property
    def pid(self) -> int | None:
        """The server process, while it is known to us."""
        return self._postmaster.pid if self._postmaster else None

    @property
    def owner_url(self) -> str:
        """For migrations and backups. Holds a password: never to be logged, or a program's argument."""
        return self.url("owner")

    @property
    def app_url(self) -> str:
        """For the service, whose role can only append to the journal. Holds a password, like `owner_url`."""
        return self.url("app")

    def url(self, role: Literal["owner", "app"], database: str = DATABASE) -> str:
        assert self.socket_dir is not None, "the server has been started"
        passwords = self._layout.passwords()
        user, password = (OWNER_ROLE, passwords.owner) if role == "owner" else (APP_ROLE, passwords.app)
        return f"postgresql://{user}:{password}@/{database}?host={quote(str(self.socket_dir))}&port={PORT}"

    def acquire_lock(self) -> None:
        """Become the one process that serves from this data directory, until `stop` or our own end.
        Raises DataDirectoryInUse, DataDirectoryUnusable or DiskFull."""
        self._layout.make_data_dir()
        if not self._serve_lock.try_exclusive():
            holder = self._serve_lock.read_note()
            by = f" by process {holder}" if holder.isdecimal() else ""
            raise DataDirectoryInUse(
                f"the data directory {self.data_dir} is in use{by}: stop that one, or give another --data-dir"
            )
        self._serve_lock.write_note(str(os.getpid()))

    def require_cluster(self) -> None:
        """Raise NoCluster when nothing was ever stored here, for commands that must not make an empty shop."""
        self._layout.require_cluster()

    async def start(self, on_progress: Say = _say_nothing) -> None:
        """Adopt the server that runs, or start one, and wait until it accepts connections, however long it
        recovers. Raises an EmbeddedPostgresError; then a server that nobody else uses is stopped again."""
        self._layout.make_data_dir()
        self._leaving.clear()
        try:
            async with self._mutex(on_progress):
                is_held = self._use.try_shared()
                assert is_held, "`users` is locked exclusively under the mutex only"
                await self._adopt_or_launch(on_progress)
                await ensure_database_and_roles(self.url("owner", "postgres"), DATABASE, self._layout.passwords().app)
        except BaseException:
            await self._leave(STOP_TIMEOUT_S)
            raise

    async def supervise(self, on_event: Say = _say_nothing) -> None:
        """Start the server again whenever it ends, until `stop`. Tells what happened; never gives up."""
        while not self._leaving.is_set():
            assert self._postmaster is not None, "the server has been started"
            if self._postmaster.is_running:
                await asyncio.sleep(POLL_S)
                continue
            on_event(f"PostgreSQL ended unexpectedly ({self._postmaster.how_it_ended}); starting it again")
            await self._restart(on_event)

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Leave; whoever leaves last shuts the server down, at once and for `timeout_s` nicely. Safe to call at
        any time, and twice."""
        await self._leave(timeout_s)
        self._serve_lock.release()

    async def _leave(self, timeout_s: float) -> None:
        self._leaving.set()
        if not self._use.is_held:
            return
        async with self._mutex(_say_nothing):
            try:
                ours = self._postmaster
                running_now = ours if ours and ours.is_running else Postmaster.find(self._layout)
                if self._use.try_exclusive() and running_now:
                    await running_now.shut_down(timeout_s)
                elif ours:
                    ours.detach()
            finally:
                self._postmaster = None
                self._use.release()

    async def _restart(self, on_event: Say) -> None:
        delay_s = RESTART_DELAY_MIN_S
        while not self._leaving.is_set():
            try:
                async with self._mutex(_say_nothing):
                    if not self._leaving.is_set():
                        await self._adopt_or_launch(on_event)
                        on_event(f"PostgreSQL is back (process {self.pid})")
                return
            except EmbeddedPostgresError as error:
                if self._leaving.is_set():
                    return
                on_event(f"{error}; next attempt in {delay_s:g} s")
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)

    async def _adopt_or_launch(self, on_progress: Say) -> None:
        """Under the mutex."""
        try:
            self._layout.require_restored()
            self._layout.require_what_was_there()
            self._layout.check_version()
            postmaster = await self._found(on_progress)
            if postmaster is None:
                Postmaster.require_none_moved_away(self._layout)
                if not self._layout.has_cluster:
                    on_progress(f"making a database cluster in {self._layout.cluster}")
                postmaster = await _finish_in_thread(self._launch)
            self._postmaster, self.is_adopted = postmaster, postmaster.is_adopted
            await postmaster.ready(on_progress, is_given_up=self._leaving.is_set)
            self.socket_dir = postmaster.socket_dir
        except OSError as error:
            raise unusable(self.data_dir, error) from error
        if self.socket_dir is None:
            raise StartFailed("PostgreSQL ended right after its start")

    async def _found(self, on_progress: Say) -> Postmaster | None:
        """The server that runs already and goes on running."""
        postmaster = Postmaster.find(self._layout)
        if postmaster is None or not postmaster.is_stopping:
            return postmaster
        on_progress("PostgreSQL is being stopped; waiting for its end")
        await postmaster.shut_down(STOP_TIMEOUT_S)
        return None

    def _launch(self) -> Postmaster:
        """Blocking: in a thread."""
        layout, programs = self._layout, bin_dir()
        launch = choose_launch(programs, layout.data_dir)
        layout.make_server_dirs(launch)
        passwords = layout.passwords()
        if not layout.has_cluster:
            make_cluster(layout, launch, programs, passwords)
        write_settings(layout, launch, layout.socket_dir(launch), self._settings)
        # Known before the thread ends: if we are cancelled meanwhile, it must still be stopped.
        self._postmaster = Postmaster.launch(layout, launch, programs)
        return self._postmaster

    def _mutex(self, on_progress: Say) -> AbstractAsyncContextManager[None]:
        return FileLock(self._layout.mutex).exclusive(
            on_wait=lambda: on_progress("waiting for another command that starts or stops PostgreSQL")
        )


async def _finish_in_thread(work: Callable[[], Postmaster]) -> Postmaster:
    """Like to_thread, but a cancellation waits for the thread, so that what it starts can be stopped."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


@asynccontextmanager
async def running(
    data_dir: Path, *, create: bool = False, on_progress: Say = _say_nothing
) -> AsyncIterator[EmbeddedPostgres]:
    """The server of `data_dir` for as long as the block lasts, for commands beside `serve`: the one that runs,
    or one that the last such command stops. Raises NoCluster when there is none and `create` is false."""
    postgres = EmbeddedPostgres(data_dir)
    if not create:
        postgres.require_cluster()
    await postgres.start(on_progress)
    try:
        yield postgres
    finally:
        await postgres.stop()
