"""`charge-shop backup`: copies the embedded database into a new folder, while it serves or while it is at rest.

The folder is made under another name beside its place, and gets its own when it is complete and on the disk: an
interrupted backup is never mistaken for one.
"""

import argparse
import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from journal.embedded import EmbeddedPostgres, make_base_backup
from journal.embedded.binaries import MAJOR_VERSION
from journal.embedded.layout import Layout, sync_folder
from journal.migrate import check_version
from journal.reader import Reader
from service.cli import heads as head_lines
from service.cli.backup_folder import FORMAT, BackupFolder, Manifest
from service.cli.commands import POOL_MAX, CannotDo
from service.cli.progress_line import ProgressLine
from service.database import home_for_command, pool_of
from service.settings import Settings

SERVED = "a served database is backed up and restored with its own tools: see docs/deployment.md"


async def backup(chosen: Settings, options: argparse.Namespace) -> int:
    if chosen.database_url is not None:
        raise CannotDo(SERVED)
    target: Path = options.folder.absolute()
    _require_free(target, Layout(chosen.data_dir).server_dir)
    async with home_for_command(chosen.data_dir, None) as home:
        assert home.server is not None
        await check_version(home.app_url)
        unfinished = await asyncio.to_thread(_make_unfinished, target)
        try:
            manifest = await _fill(BackupFolder(unfinished), home.server)
            await asyncio.to_thread(_finish, unfinished, target)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
            raise
    print(f"backed up {manifest.sellers:,} sellers as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC into {target}")
    return 0


def _require_free(target: Path, server_dir: Path) -> None:
    try:
        if target.resolve().is_relative_to(server_dir.resolve()):
            raise CannotDo(f"{target} is in the folder of the database, which is copied: give a folder elsewhere")
        if target.is_mount():
            raise CannotDo(f"{target} is a mount point: give a folder in it")
        if target.exists() and any(target.iterdir()):
            raise CannotDo(f"{target} is not empty: give a new folder")
    except OSError as error:
        raise CannotDo(f"cannot use {target}: {error.strerror}") from None


def _make_unfinished(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent))
    except OSError as error:
        raise CannotDo(f"cannot write to {target.parent}: {error.strerror}") from None


async def _fill(folder: BackupFolder, server: EmbeddedPostgres) -> Manifest:
    """The heads first: whatever they tell of has been committed, and so will be in the copy."""
    made_at = datetime.now(UTC)
    async with pool_of(server.app_url, POOL_MAX) as pool:
        lines = [head_lines.line_of(head) async for head in Reader(pool).heads()]
    progress = ProgressLine("copied")
    await make_base_backup(server, folder.cluster, progress)
    progress.end()
    manifest = Manifest(FORMAT, made_at, version("charge-shop"), MAJOR_VERSION, len(lines))

    def write() -> None:
        folder.write(folder.heads, b"".join(line + b"\n" for line in lines))
        folder.write(folder.pgpass, server.pgpass.read_bytes())
        folder.write(folder.manifest, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise CannotDo(f"cannot write to {folder.path}: {error.strerror}") from None
    return manifest


def _finish(unfinished: Path, target: Path) -> None:
    try:
        sync_folder(unfinished)
        unfinished.rename(target)  # Over an empty folder, too, but over nothing else.
        sync_folder(target.parent)
    except OSError as error:
        raise CannotDo(f"cannot name the backup {target}: {error.strerror}") from None
