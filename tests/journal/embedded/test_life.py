"""The server of a data directory is made, found, shared, restarted and stopped."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from journal.embedded import (
    DataDirectoryInUse,
    EmbeddedPostgres,
    NoCluster,
    bin_dir,
    running,
)
from journal.embedded.errors import ClusterGone
from journal.embedded.layout import Layout
from journal.embedded.postmaster import Postmaster
from journal.embedded.restoring import restored
from tests.journal.embedded.conftest import recovers_for_ever

OWNER = """
import asyncio, sys
from pathlib import Path
from journal.embedded import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    postgres.acquire_lock()
    await postgres.start()
    print(postgres.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def answer_of(url: str, question: str = "SELECT 'here'") -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def server_on(data_dir: Path) -> Postmaster | None:
    return Postmaster.find(Layout(data_dir))


def serving_process(data_dir: Path) -> "subprocess.Popen[str]":
    """Another process that serves from the data directory; its first line of output is the server's pid."""
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "."}
    )


async def test_the_first_start_makes_a_durable_cluster_with_both_roles(tmp_path, events):
    postgres = EmbeddedPostgres(tmp_path / "data")
    await postgres.start(events.tell)
    try:
        assert "making a database cluster" in events.told[0]
        settings = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name = ANY($1)"
        connection = await asyncpg.connect(postgres.app_url)
        assert await connection.fetchval(
            settings, ["fsync", "synchronous_commit", "full_page_writes", "data_checksums", "listen_addresses"]
        ) == ("data_checksums=on fsync=on full_page_writes=on listen_addresses= synchronous_commit=on")
        assert await connection.fetchval("SELECT current_user || '@' || current_database()") == (
            "charge_shop_app@charge_shop"
        )
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert connection.get_server_version().major == 18
        await connection.close()
        assert await answer_of(postgres.owner_url, "SELECT current_user") == "charge_shop_owner"
    finally:
        await postgres.stop()
    assert server_on(tmp_path / "data") is None


async def test_what_was_written_is_there_after_a_stop_and_a_start(data_dir, make_server):
    first = make_server(data_dir)
    await first.start()
    await answer_of(first.owner_url, "CREATE TABLE kept AS SELECT 42 AS value")
    await first.stop()

    second = make_server(data_dir)
    await second.start()
    assert not second.is_adopted
    assert await answer_of(second.owner_url, "SELECT value FROM kept") == 42


async def test_a_second_process_is_refused_in_one_line_that_names_the_first(data_dir, make_server):
    with serving_process(data_dir) as first:
        try:
            assert first.stdout is not None
            first.stdout.readline()
            with pytest.raises(DataDirectoryInUse) as refusal:
                make_server(data_dir).acquire_lock()
            assert f"in use by process {first.pid}" in str(refusal.value)
            assert "\n" not in str(refusal.value)
        finally:
            first.kill()


async def test_after_kill_9_of_the_service_its_lock_is_free_and_its_server_is_adopted(data_dir, make_server):
    with serving_process(data_dir) as first:
        assert first.stdout is not None
        server_pid = int(first.stdout.readline())
        first.kill()
    successor = make_server(data_dir)
    successor.acquire_lock()
    await successor.start()
    assert successor.is_adopted
    assert successor.pid == server_pid
    assert await answer_of(successor.app_url) == "here"
    await successor.stop()
    assert server_on(data_dir) is None


async def test_nothing_takes_the_place_of_a_server_that_was_moved_and_runs_on(data_dir, make_server):
    """Whoever sets the files of a killed service aside finds its server alive: it would overwrite the control file of
    a shop that is made, or restored, where it was."""
    with serving_process(data_dir) as first:
        assert first.stdout is not None
        server_pid = int(first.stdout.readline())
        first.kill()
    aside = data_dir.with_name("aside")
    data_dir.rename(aside)
    told = f"^PostgreSQL was started in {data_dir}/postgres/cluster, was moved to {aside}/.*kill -INT {server_pid}"
    successor = make_server(data_dir)
    with pytest.raises(DataDirectoryInUse, match=told):
        await successor.start()
    with pytest.raises(DataDirectoryInUse, match=told):
        async with restored(data_dir, aside / "postgres/cluster", aside, on_progress=lambda *_: None, say=print):
            pass
    assert not (data_dir / "postgres").exists()
    moved = server_on(aside)
    assert moved is not None
    os.kill(server_pid, signal.SIGINT)
    await moved.ended()
    await successor.start()
    assert await answer_of(successor.app_url) == "here"
    await successor.stop()


async def test_the_supervisor_restarts_a_killed_server_each_time(data_dir, make_server, events, in_background):
    postgres = make_server(data_dir)
    await postgres.start()
    in_background(postgres.supervise(events.tell))
    await answer_of(postgres.owner_url, "CREATE TABLE kept AS SELECT 42 AS value")
    for _ in range(2):
        killed = postgres.pid
        os.kill(killed, signal.SIGKILL)
        assert "signal 9" in await events.until("ended unexpectedly")
        await events.until("is back")
        assert postgres.pid != killed
        assert await answer_of(postgres.owner_url, "SELECT value FROM kept") == 42


async def test_the_supervisor_restarts_an_adopted_server_too(data_dir, make_server, events, in_background):
    with serving_process(data_dir) as first:
        assert first.stdout is not None
        server_pid = int(first.stdout.readline())
        first.kill()
    successor = make_server(data_dir)
    await successor.start()
    in_background(successor.supervise(events.tell))
    os.kill(server_pid, signal.SIGKILL)
    await events.until("is back")
    assert await answer_of(successor.app_url) == "here"


async def test_the_supervisor_goes_on_trying_and_tells_why(data_dir, make_server, events, in_background):
    postgres = make_server(data_dir)
    await postgres.start()
    in_background(postgres.supervise(events.tell))
    operators_own = data_dir / "postgres/cluster/postgresql.auto.conf"
    operators_own.write_text("no_such_setting = 1\n")
    os.kill(postgres.pid, signal.SIGKILL)
    assert "no_such_setting" in await events.until("next attempt in 0.1 s")
    await events.until("next attempt in 0.2 s")
    operators_own.write_text("")
    await events.until("is back")
    assert await answer_of(postgres.app_url) == "here"


async def test_the_supervisor_makes_no_empty_shop_where_there_was_one(data_dir, make_server, events, in_background):
    """The disk is gone, or somebody moves the files."""
    postgres = make_server(data_dir)
    await postgres.start()
    in_background(postgres.supervise(events.tell))
    cluster = data_dir / "postgres/cluster"
    cluster.rename(data_dir / "elsewhere")
    os.kill(postgres.pid, signal.SIGKILL)
    assert "the shop of" in await events.until("next attempt in 0.1 s")
    await events.until("next attempt in 0.2 s")
    assert not cluster.exists()
    (data_dir / "elsewhere").rename(cluster)
    await events.until("is back")
    assert await answer_of(postgres.app_url) == "here"


async def test_no_start_makes_an_empty_shop_where_there_was_one(data_dir, make_server):
    postgres = make_server(data_dir)
    await postgres.start()
    await postgres.stop()
    server_dir = data_dir / "postgres"
    server_dir.rename(data_dir / "elsewhere")
    server_dir.mkdir()  # Where its disk is mounted, as a rule.
    for _ in range(2):
        with pytest.raises(
            ClusterGone,
            match=f"^the shop of {data_dir} is gone: put {server_dir}/cluster back, or give another --data-dir$",
        ):
            await make_server(data_dir).start()
    assert list(server_dir.iterdir()) == []
    server_dir.rmdir()
    (data_dir / "elsewhere").rename(server_dir)
    await postgres.start()
    assert await answer_of(postgres.app_url) == "here"
    await postgres.stop()


async def test_the_supervisor_lets_go_of_a_server_that_is_stopped(data_dir, make_server, events, in_background):
    postgres = make_server(data_dir)
    await postgres.start()
    supervision = in_background(postgres.supervise(events.tell))
    await postgres.stop()
    await asyncio.wait_for(supervision, 10)
    assert events.told == []
    assert server_on(data_dir) is None


async def test_a_stop_does_not_wait_for_the_recovery_of_a_server_that_is_being_restarted(
    data_dir, make_server, events, in_background
):
    postgres = make_server(data_dir)
    await postgres.start()
    supervision = in_background(postgres.supervise(events.tell))
    recovers_for_ever(data_dir)
    os.kill(postgres.pid, signal.SIGKILL)
    await events.until("PostgreSQL is starting")
    await asyncio.wait_for(postgres.stop(), 20)
    await asyncio.wait_for(supervision, 20)
    assert server_on(data_dir) is None


async def test_of_two_commands_the_last_one_out_stops_the_server(data_dir):
    async with running(data_dir) as first:
        async with running(data_dir) as second:
            assert (first.pid, second.is_adopted) == (second.pid, True)
        assert await answer_of(first.app_url) == "here"
    assert server_on(data_dir) is None


async def test_a_command_that_ends_leaves_the_server_to_a_serve_that_came_meanwhile(data_dir, make_server):
    serving = make_server(data_dir)
    async with running(data_dir):
        serving.acquire_lock()
        await serving.start()
    assert await answer_of(serving.app_url) == "here"


async def test_a_serve_that_ends_leaves_the_server_to_a_command_still_at_work(data_dir, make_server):
    serving = make_server(data_dir)
    serving.acquire_lock()
    await serving.start()
    async with running(data_dir) as command:
        await serving.stop()
        assert await answer_of(command.app_url) == "here"
    assert server_on(data_dir) is None


async def test_many_commands_at_once_start_one_server_and_leave_none(data_dir):
    pids = set()

    async def command() -> None:
        async with running(data_dir) as postgres:
            pids.add(postgres.pid)
            assert await answer_of(postgres.app_url) == "here"

    await asyncio.gather(*(command() for _ in range(8)))
    assert len(pids) >= 1
    assert server_on(data_dir) is None


async def test_a_command_does_not_make_a_shop_where_there_is_none(tmp_path):
    with pytest.raises(NoCluster, match="there is no shop in"):
        async with running(tmp_path / "mistyped"):
            pass
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("name", ["a space", "it's", '"', "back\\slash", "50%", "a,comma", "=&?#@:", "œuvre", "$HOME"])
async def test_a_data_directory_may_have_any_name(data_dir, make_server, name):
    postgres = make_server(data_dir.rename(data_dir.parent / name))
    await postgres.start()
    assert await answer_of(postgres.app_url) == "here"


async def test_a_data_directory_with_a_path_too_long_for_a_socket_works(fresh_folder, make_server):
    long = fresh_folder / ("very-long-name-" * 8)
    postgres = make_server(long)
    await postgres.start()
    assert await answer_of(postgres.app_url) == "here"
    socket_dir = postgres.socket_dir
    assert socket_dir is not None
    assert not socket_dir.is_relative_to(long)
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    await postgres.stop()

    await postgres.start()
    assert postgres.socket_dir == socket_dir, "the folder is used again, not another one made"
    await postgres.stop()
    socket_dir.rmdir()


async def test_the_copy_of_a_data_directory_in_use_does_not_take_its_socket(fresh_folder, make_server):
    """Else the service of the original would sell into the copy."""
    long = fresh_folder / ("very-long-name-" * 8)
    original = make_server(long / "data")
    await original.start()
    shutil.copytree(long / "data", long / "copy")
    copy = make_server(long / "copy")
    await copy.start()
    assert copy.pid != original.pid

    where = "SELECT current_setting('data_directory')"
    assert await answer_of(original.owner_url, where) == str(long / "data/postgres/cluster")
    assert await answer_of(copy.owner_url, where) == str(long / "copy/postgres/cluster")

    for server in (copy, original):
        await server.stop()
        assert server.socket_dir is not None
        server.socket_dir.rmdir()


async def test_checkpoints_do_not_take_the_log_away_from_a_backup_that_begins(data_dir, make_server):
    """pg_basebackup asks for the log where its backup begins, a moment after that: two other backups, each of which
    begins with a checkpoint, may come between."""
    postgres = make_server(data_dir)
    await postgres.start()
    begin = str(await answer_of(postgres.owner_url, "SELECT pg_walfile_name(pg_current_wal_lsn())"))
    for _ in range(3):
        await answer_of(postgres.owner_url, "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
        await answer_of(postgres.owner_url, "CHECKPOINT")
    assert await answer_of(postgres.owner_url, f"SELECT count(*) FROM pg_ls_waldir() WHERE name = '{begin}'") == 1


async def test_the_pid_of_a_dead_server_may_belong_to_somebody_else_by_now(data_dir, make_server):
    postgres = make_server(data_dir)
    await postgres.start()
    left_behind = {
        path: path.read_text()
        for path in (
            data_dir / "postgres/cluster/postmaster.pid",
            data_dir / "postgres/run/.s.PGSQL.5432.lock",
        )
    }
    await postgres.stop()
    # Not our own pid: a server takes its parent's for no server anyway.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as somebody_else:
        for path, text in left_behind.items():
            path.write_text("\n".join([str(somebody_else.pid), *text.splitlines()[1:]]) + "\n")

        await postgres.start()
        assert not postgres.is_adopted
        assert await answer_of(postgres.app_url) == "here"
        somebody_else.kill()


async def test_a_pid_file_that_a_full_disk_left_empty_does_not_stop_the_next_start(data_dir, make_server):
    (data_dir / "postgres/cluster/postmaster.pid").touch()
    postgres = make_server(data_dir)
    await postgres.start()
    assert await answer_of(postgres.app_url) == "here"


def test_the_tools_for_backups_are_where_bin_dir_says():
    for program in ("pg_dump", "pg_restore", "pg_basebackup", "psql"):
        version = subprocess.run([bin_dir() / program, "--version"], capture_output=True, text=True, check=True)
        assert "(PostgreSQL) 18" in version.stdout
