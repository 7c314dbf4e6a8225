"""A data directory made of a base backup. It is built in the folder `restoring` of its place, as a data directory of
its own whose server can run, be looked at and be changed, and takes its place in the end.

    restoring/pgpass              -> pgpass
    restoring/postgres            -> postgres        the last step: from here on there is a shop
    restoring                     deleted

Until the last step there is no cluster in the data directory, so an interruption leaves nothing that looks like a
shop, and `Layout.require_restored` sees to it that none is made. The next restore begins from nothing again.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from journal.embedded.base_backup import OnProgress, copy_back
from journal.embedded.binaries import MAJOR_VERSION
from journal.embedded.errors import DataDirectoryUnusable, WrongPostgresVersion, unusable
from journal.embedded.layout import Layout, sync_folder
from journal.embedded.postmaster import Postmaster
from journal.embedded.server import STOP_TIMEOUT_S, EmbeddedPostgres, Say


@asynccontextmanager
async def restored(
    data_dir: Path, cluster: Path, pgpass: Path, *, on_progress: OnProgress, say: Say
) -> AsyncIterator[EmbeddedPostgres]:
    """The server on what was copied of the backup, for the block to check it. Only when the block ends well is it put
    into `data_dir`, which must hold no shop, and which nobody else may use meanwhile.

    Raises an EmbeddedPostgresError."""
    owner = EmbeddedPostgres(data_dir)
    owner.acquire_lock()
    layout = Layout(data_dir)
    try:
        _require_our_version(cluster)
        if layout.server_dir.exists():
            raise DataDirectoryUnusable(
                f"there is a shop in {layout.data_dir} already: restore into an empty --data-dir"
            )
        Postmaster.require_none_moved_away(layout)
        await _clear(layout.restoring)
        try:
            await _copied(layout, cluster, pgpass, on_progress)
            server = EmbeddedPostgres(layout.restoring)
            try:
                await server.start(say)
                yield server
            finally:
                await server.stop()
            await asyncio.to_thread(_take_place, layout)
        finally:
            await _clear(layout.restoring)
    finally:
        await owner.stop()


def _require_our_version(cluster: Path) -> None:
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise unusable(cluster, error) from error
    if version != str(MAJOR_VERSION):
        raise WrongPostgresVersion(f"{cluster} was made by PostgreSQL {version}, this release carries {MAJOR_VERSION}")


async def _copied(layout: Layout, cluster: Path, pgpass: Path, on_progress: OnProgress) -> None:
    """In a thread, which ends before a cancellation goes on: what it has copied is about to be deleted."""
    given_up = threading.Event()

    def on_file(done_kb: int, total_kb: int) -> None:
        if given_up.is_set():
            raise InterruptedError
        on_progress(done_kb, total_kb)

    copying = asyncio.ensure_future(asyncio.to_thread(_copy, layout, cluster, pgpass, on_file))
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise


def _copy(layout: Layout, cluster: Path, pgpass: Path, on_progress: OnProgress) -> None:
    inner = Layout(layout.restoring)
    try:
        inner.make_data_dir()
        shutil.copyfile(pgpass, inner.pgpass)
        inner.pgpass.chmod(0o600)
        inner.server_dir.mkdir(mode=0o700)
    except OSError as error:
        raise unusable(layout.restoring, error) from error
    copy_back(cluster, inner.cluster, on_progress)


def _take_place(layout: Layout) -> None:
    """The files themselves have been synced by the server, which recovered from a backup and then shut down."""
    inner = Layout(layout.restoring)
    try:
        with inner.pgpass.open("rb") as file:
            os.fsync(file.fileno())
        inner.pgpass.replace(layout.pgpass)
        sync_folder(layout.data_dir)
        inner.server_dir.rename(layout.server_dir)
        sync_folder(layout.data_dir)
    except OSError as error:
        raise unusable(layout.data_dir, error) from error


async def _clear(restoring: Path) -> None:
    """What an interrupted restore may have left: a running server, too."""
    try:
        left = Postmaster.find(Layout(restoring))
        if left is not None:
            await left.shut_down(STOP_TIMEOUT_S)
        if restoring.exists():
            await asyncio.to_thread(shutil.rmtree, restoring)
    except OSError as error:
        raise unusable(restoring, error) from error
