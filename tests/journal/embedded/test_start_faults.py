"""Whatever keeps the server from starting is said in one clear line, and leaves nothing running and no lock held."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.embedded import (
    DataDirectoryInUse,
    DataDirectoryUnusable,
    DiskFull,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    StartFailed,
    WrongPostgresVersion,
    postmaster,
)
from journal.embedded.layout import Layout
from journal.embedded.locks import FileLock
from journal.embedded.postmaster import Postmaster
from tests.journal.embedded.conftest import recovers_for_ever

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def failure_of(server: EmbeddedPostgres) -> EmbeddedPostgresError:
    """How its start fails, having left nothing behind."""
    with pytest.raises(EmbeddedPostgresError) as failure:
        await server.start()
    assert "\n" not in str(failure.value)
    layout = Layout(server.data_dir)
    if layout.data_dir.is_dir():
        assert Postmaster.find(layout) is None
        for path in (layout.mutex, layout.users):
            lock = FileLock(path)
            assert lock.try_exclusive(), f"{path.name} is free again"
            lock.release()
    return failure.value


async def test_a_data_directory_that_cannot_be_made(tmp_path, make_server):
    (tmp_path / "file").touch()
    failure = await failure_of(make_server(tmp_path / "file" / "data"))
    assert isinstance(failure, DataDirectoryUnusable)
    assert "Not a directory" in str(failure)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_data_directory_that_cannot_be_written(tmp_path, make_server):
    tmp_path.chmod(0o500)
    failure = await failure_of(make_server(tmp_path))
    assert isinstance(failure, DataDirectoryUnusable)
    assert "Permission denied" in str(failure)


async def test_a_cluster_of_another_major_version(data_dir, make_server):
    (data_dir / "postgres/cluster/PG_VERSION").write_text("16\n")
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, WrongPostgresVersion)
    assert "PostgreSQL 16" in str(failure)
    assert "18" in str(failure)


async def test_the_reason_that_the_server_gives(data_dir, make_server):
    (data_dir / "postgres/cluster/postgresql.auto.conf").write_text("no_such_setting = 1\n")
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, StartFailed)
    assert 'unrecognized configuration parameter "no_such_setting"' in str(failure)
    assert str(data_dir / "postgres/log") in str(failure)


async def test_the_reason_that_the_server_gives_after_it_opened_its_log(data_dir, make_server):
    (data_dir / "postgres/cluster/global/pg_control").write_bytes(b"\0" * 8192)
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, StartFailed)
    assert "pg_control" in str(failure) or "database files are incompatible" in str(failure)


async def test_the_reason_that_is_given_in_plain_lines(data_dir, make_server):
    """As the server does before it has a log, and the loader where a library is missing."""
    (data_dir / "postgres/cluster/global/pg_control").unlink()
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, StartFailed)
    assert 'pg_control": No such file or directory' in str(failure)


async def test_a_version_that_is_no_text(data_dir, make_server):
    (data_dir / "postgres/cluster/PG_VERSION").write_bytes(b"\xff\n")
    assert isinstance(await failure_of(make_server(data_dir)), WrongPostgresVersion)


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_bytes(b"\xff\xfe")],
    ids=["missing", "empty", "no text"],
)
async def test_passwords_that_were_lost(data_dir, make_server, damage):
    damage(data_dir / "pgpass")
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, DataDirectoryUnusable)
    assert "restore it from the backup" in str(failure)


async def test_passwords_of_another_cluster(data_dir, make_server):
    pgpass = data_dir / "pgpass"
    pgpass.write_text("".join(f"{line[:-1]}x\n" for line in pgpass.read_text().splitlines()))
    failure = await failure_of(make_server(data_dir))
    assert isinstance(failure, DataDirectoryUnusable)
    assert "pgpass does not fit the cluster" in str(failure)


async def test_processes_of_a_server_that_cannot_be_found(data_dir, make_server, monkeypatch):
    """A second server on one cluster would destroy it; one in another container has no pid that we can see."""
    monkeypatch.setattr(postmaster, "OLD_SERVER_DEATH_S", 0.1)
    elsewhere = FileLock(data_dir / "alive")
    assert elsewhere.try_exclusive()
    failure = await failure_of(make_server(data_dir))
    elsewhere.release()
    assert isinstance(failure, DataDirectoryInUse)
    assert "another container" in str(failure)


async def test_every_process_of_a_server_holds_the_lock_that_says_so(data_dir, make_server):
    server = make_server(data_dir)
    await server.start()
    assert not FileLock(data_dir / "alive").try_exclusive()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, *, leave_bytes: int) -> None:
    usage = os.statvfs(disk)
    with open(disk / "ballast", "wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, usage.f_bavail * usage.f_frsize - leave_bytes)


@as_root
@pytest.mark.parametrize("leave_bytes", [0, 4_000_000, 30_000_000])
async def test_a_disk_too_full_for_a_new_cluster(disk, make_server, leave_bytes):
    fill(disk, leave_bytes=leave_bytes)
    failure = await failure_of(make_server(disk / "data"))
    assert isinstance(failure, DiskFull)
    assert "no space is left" in str(failure)


@as_root
async def test_a_disk_that_is_full_at_a_later_start_until_there_is_space_again(disk, make_server):
    server = make_server(disk / "data")
    await server.start()
    await server.stop()
    fill(disk, leave_bytes=0)
    assert isinstance(await failure_of(server), DiskFull)
    (disk / "ballast").unlink()
    await server.start()


async def test_a_long_recovery_is_waited_for_and_shown(data_dir, make_server, events, in_background, monkeypatch):
    monkeypatch.setattr(postmaster, "PROGRESS_EVERY_S", 0.1)
    recovers_for_ever(data_dir)
    server = make_server(data_dir)
    start = in_background(server.start(events.tell))
    await events.until("PostgreSQL is starting")
    await events.until("PostgreSQL is starting")
    assert not start.done()

    (data_dir / "postgres/cluster/promote").touch()
    while (found := Postmaster.find(Layout(data_dir))) is None:
        await events.until("PostgreSQL is starting")
    async with asyncio.timeout(30):
        while not start.done():
            # A server that has not begun to recover yet does not hear it.
            os.kill(found.pid, signal.SIGUSR1)
            await asyncio.wait([start], timeout=0.1)
    await start
    assert server.pid == found.pid


async def test_a_start_that_is_given_up_during_a_recovery_stops_the_server(
    data_dir, make_server, events, in_background, monkeypatch
):
    monkeypatch.setattr(postmaster, "PROGRESS_EVERY_S", 0.1)
    recovers_for_ever(data_dir)
    start = asyncio.ensure_future(make_server(data_dir).start(events.tell))
    await events.until("PostgreSQL is starting")
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert Postmaster.find(Layout(data_dir)) is None


async def test_a_start_that_is_given_up_while_the_cluster_is_made_leaves_a_whole_one(fresh_folder, make_server, events):
    server = make_server(fresh_folder / "data")
    start = asyncio.ensure_future(server.start(events.tell))
    await events.until("making a database cluster")
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert Postmaster.find(Layout(server.data_dir)) is None
    await server.start()
