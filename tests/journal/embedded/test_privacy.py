"""Nobody else on the machine gets in, and root's folders stay as they are."""

import os
import socket
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from journal.embedded import EmbeddedPostgres, bin_dir
from journal.embedded.cluster import make_cluster, write_settings
from journal.embedded.launch import choose_launch, ways_without_root
from journal.embedded.layout import Layout
from journal.embedded.postmaster import Postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534


@pytest.fixture
def public_folder(fresh_folder: Path) -> Path:
    """A folder that everybody may enter, so that only our own permissions keep others out."""
    fresh_folder.chmod(0o755)
    return fresh_folder


def socket_of(server: EmbeddedPostgres) -> str:
    return parse_qs(urlsplit(server.app_url).query)["host"][0] + "/.s.PGSQL.5432"


def has_capability(number: int) -> bool:
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    return bool(int(status["CapEff"], 16) >> number & 1)


def outcome_as_nobody(socket_path: str) -> str:
    """What another user of the machine gets when it connects: tried in a child that becomes one."""
    read_end, write_end = os.pipe()
    if (child := os.fork()) == 0:
        outcome = "a bug in this test"
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(socket_path)
            outcome = "connected"
        except OSError as error:
            outcome = type(error).__name__
        finally:
            os.write(write_end, outcome.encode())
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with open(read_end) as pipe:
        return pipe.read()


@as_root
async def test_another_user_cannot_reach_the_socket(public_folder, make_server):
    data_dir = public_folder / "data"
    data_dir.mkdir(mode=0o755)
    server = make_server(data_dir)
    await server.start()
    path = socket_of(server)
    assert outcome_as_nobody(path) == "PermissionError"
    # The same attempt succeeds once folders and socket are opened: it is they that keep others out.
    for folder in (data_dir / "postgres", data_dir / "postgres/run"):
        folder.chmod(0o755)
    assert outcome_as_nobody(path) == "PermissionError"
    Path(path).chmod(0o777)
    assert outcome_as_nobody(path) == "connected"


async def test_a_connection_without_the_password_is_refused(data_dir, make_server, tmp_path):
    server = make_server(data_dir)
    await server.start()
    for wrong in (None, "wrong"):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
            await asyncpg.connect(
                host=str(Path(socket_of(server)).parent),
                user="charge_shop_owner",
                password=wrong,
                database="postgres",
                passfile=str(tmp_path / "none"),
            )


async def test_secrets_are_private_and_told_by_no_repr(data_dir, make_server):
    server = make_server(data_dir)
    await server.start()
    password = urlsplit(server.app_url.replace("@/", "@host/")).password
    assert password
    assert stat.S_IMODE((data_dir / "pgpass").stat().st_mode) == 0o600
    assert password not in repr(server)
    assert password not in repr(vars(server))
    assert server.pid is not None
    for told in ("cmdline", "environ"):
        assert password.encode() not in Path(f"/proc/{server.pid}/{told}").read_bytes()
    logs = b"".join(log.read_bytes() for log in (data_dir / "postgres/log").iterdir())
    assert password.encode() not in logs


async def test_our_environment_stays_ours(data_dir, make_server, monkeypatch):
    monkeypatch.setenv("CHARGE_SHOP_ADMIN_PASSWORD", "a secret of the service")
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    server = make_server(data_dir)
    await server.start()
    environment = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"a secret" not in environment
    assert b"PGOPTIONS" not in environment


@as_root
async def test_root_serves_from_below_a_folder_of_its_own_without_changing_it(fresh_folder, make_server):
    private = fresh_folder / "private"
    private.mkdir(mode=0o700)
    before = {folder: folder.stat() for folder in (private, *private.parents)}
    server = make_server(private / "data")
    await server.start()
    assert Path(f"/proc/{server.pid}/status").read_text().count("CapEff:\t0000000000000000") == 1
    await server.stop()
    for folder, was in before.items():
        now = folder.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
    owners = {path.stat().st_uid for path in (private / "data").rglob("*")}
    assert owners == {0}


@as_root
@pytest.mark.parametrize(
    ("name", "data_dir_mode"), [("namespace", 0o700), ("nobody", 0o711), ("nobody-searching", 0o700)]
)
async def test_every_way_to_run_without_root_starts_a_server_and_hands_over_to_the_next(
    name: str, data_dir_mode: int, public_folder, make_server
):
    layout = Layout(public_folder / "data")
    layout.make_data_dir()
    layout.data_dir.chmod(data_dir_mode)
    programs = bin_dir()
    [way] = [way for way in ways_without_root(layout.data_dir) if name in way.prefix]
    if not way.works(programs):
        assert not (name == "nobody-searching" and has_capability(2)), "then it leads everywhere"
        pytest.skip("this system, or the folder of the programs, does not allow it")
    layout.make_server_dirs(way)
    make_cluster(layout, way, programs, layout.passwords())
    write_settings(layout, way, layout.socket_dir(way), {"fsync": "off"})
    server = Postmaster.launch(layout, way, programs)
    await server.ready(lambda _: None, is_given_up=lambda: False)
    assert {path.stat().st_uid for path in layout.cluster.rglob("*")} == {way.uid}
    await server.shut_down(10)

    usual = make_server(layout.data_dir)
    await usual.start()
    assert not usual.is_adopted
    assert layout.cluster.stat().st_uid == choose_launch(programs, layout.data_dir).uid
