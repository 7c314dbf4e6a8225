"""A copy of the running cluster that is consistent by itself, and the way back from it.

`pg_basebackup` copies the files while the server goes on working, and with them the log that makes them whole; it
notes the checksum of every file in `backup_manifest`, and the copy back is compared with that. It runs as the user
that we are: it connects, and is no server. See https://www.postgresql.org/docs/18/app-pgbasebackup.html and
https://www.postgresql.org/docs/18/backup-manifest-files.html
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from journal.embedded.binaries import bin_dir
from journal.embedded.cluster import DISK_FULL_TEXT
from journal.embedded.errors import BackupDamaged, BackupFailed, DiskFull, unusable
from journal.embedded.launch import ENVIRONMENT
from journal.embedded.layout import OWNER_ROLE, PORT
from journal.embedded.server import EmbeddedPostgres

MANIFEST: Final = "backup_manifest"
PROGRESS: Final = re.compile(rb"(\d+)/(\d+) kB \(\d+%\)")
LINE_END: Final = re.compile(rb"[\r\n]+")
CHUNK_BYTES: Final = 1024 * 1024

OnProgress = Callable[[int, int], None]
"""Told how many of how many kB are done."""


class ManifestFile(Struct, frozen=True, rename={"path": "Path", "size": "Size", "checksum": "Checksum"}):
    path: str
    size: int
    checksum: str


class Manifest(Struct, frozen=True, rename={"files": "Files", "checksum": "Manifest-Checksum"}):
    files: list[ManifestFile]
    """All but the manifest itself and the log, each record of which has a checksum of its own."""
    checksum: str


async def make_base_backup(server: EmbeddedPostgres, target: Path, on_progress: OnProgress) -> None:
    """Copies the cluster of the running server into the new folder `target`. Raises BackupFailed or DiskFull."""
    assert server.socket_dir is not None, "the server has been started"
    await _run(
        [
            str(bin_dir() / "pg_basebackup"),
            f"--pgdata={target}",
            f"--host={server.socket_dir}",
            f"--port={PORT}",
            f"--username={OWNER_ROLE}",
            "--no-password",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--manifest-checksums=SHA256",
            "--progress",
        ],
        # The password comes from a file: arguments and environments can be read by others.
        {"PGPASSFILE": str(server.pgpass)},
        on_progress,
    )


def copy_back(source: Path, target: Path, on_progress: OnProgress) -> None:
    """Copies a base backup into the new folder `target`, file by file, each compared with its checksum; blocking.

    Raises BackupDamaged, DiskFull or DataDirectoryUnusable."""
    expected = {file.path: file for file in _manifest(source).files}
    total_kb = sum(file.size for file in expected.values()) // 1024
    copied = 0
    try:
        for folder, files in _tree(source):
            (target / folder).mkdir(mode=0o700)
            for name in files:
                path = folder / name
                digest, size = _copy(source / path, target / path)
                file = expected.pop(path.as_posix(), None)
                if file is not None and (size, digest) != (file.size, file.checksum):
                    raise BackupDamaged(f"{source / path} is not what it was when the backup was made")
                copied += size
                on_progress(min(copied // 1024, total_kb), total_kb)
    except OSError as error:
        raise unusable(target, error) from error
    for missing in expected:
        raise BackupDamaged(f"{source / missing} is missing")


def _manifest(source: Path) -> Manifest:
    path = source / MANIFEST
    try:
        content = path.read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
    except OSError as error:
        raise BackupDamaged(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError):
        raise BackupDamaged(f"{path} is not a manifest of PostgreSQL") from None
    if hashlib.sha256(content[: content.rindex(b'"Manifest-Checksum"')]).hexdigest() != manifest.checksum:
        raise BackupDamaged(f"{path} is not what it was when the backup was made")
    return manifest


def _tree(source: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders before what is in them."""

    def fail(error: OSError) -> None:
        raise error

    for folder, _, files in os.walk(source, onerror=fail):
        yield Path(folder).relative_to(source), sorted(files)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """The SHA-256 and the size of what was read, which is what was written."""
    digest, size = hashlib.sha256(), 0
    with (
        source.open("rb") as original,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy,
    ):
        while chunk := original.read(CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


async def _run(command: list[str], environment: dict[str, str], on_progress: OnProgress) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | environment,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said = await _follow(process.stderr, on_progress)
        status = await process.wait()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if status != 0:
        reason = next((line for line in said if "error:" in line), said[-1] if said else "no reason given")
        if DISK_FULL_TEXT in reason:
            raise DiskFull(f"no space is left for the backup: {reason}")
        raise BackupFailed(reason)


async def _follow(output: asyncio.StreamReader, on_progress: OnProgress) -> list[str]:
    """Passes on the progress; answers the other lines."""
    said: list[str] = []
    rest = b""
    while chunk := await output.read(4_096):
        *lines, rest = LINE_END.split(rest + chunk)
        for line in lines:
            if progress := PROGRESS.search(line):
                on_progress(int(progress[1]), int(progress[2]))
            elif line.strip():
                said.append(line.decode(errors="replace").strip())
    return [*said, rest.decode(errors="replace").strip()] if rest.strip() else said
