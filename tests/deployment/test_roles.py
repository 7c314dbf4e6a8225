"""`roles` of docker-compose.yml: its script, run against a real PostgreSQL 18 made the way the image makes one."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from journal.embedded.binaries import bin_dir
from journal.embedded.launch import choose_launch
from journal.migrate import check_version, migrate

from .compose import script, services

LOGIN = "charge_shop_login"
# As in the image, but for everybody else at the socket too, so that the passwords are really looked at.
HBA = "local postgres postgres scram-sha-256\nlocal all postgres trust\nlocal all all scram-sha-256\n"


class Server:
    """PostgreSQL 18 at a socket, with the superuser and the database that docker-compose.yml asks of the image."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._launch = choose_launch(bin_dir(), place)
        os.chown(place, self._launch.uid, self._launch.gid)
        self._data = str(place / "data")
        options = services()["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
        self._run("initdb", "--username=postgres", "--no-sync", *options, self._data)
        (place / "data/pg_hba.conf").write_text(HBA)
        settings = f"-c listen_addresses= -c unix_socket_directories={place} -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", settings, "-l", str(place / "log"), "start")
        self._run("createdb", f"--host={place}", "--username=postgres", "--maintenance-db=template1", "charge_shop")

    def prepare(self, **passwords: str) -> None:
        """Runs the script."""
        for name, password in ({"superuser_password": "of-the-superuser"} | passwords).items():
            (self._place / name).write_text(password)
        text = script(services()["roles"])
        text = text.replace("/run/database-secrets", str(self._place)).replace("/var/run/postgresql", str(self._place))
        environment = {"PATH": f"{bin_dir()}:/usr/bin:/bin"}
        subprocess.run(["/bin/sh", "-euc", text], env=environment, check=True, timeout=60)

    def url(self, user: str, password: str = "") -> str:
        return f"postgresql://{user}:{password}@/charge_shop?host={self._place}"

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        done = self._launch.run([str(bin_dir() / program), *arguments])
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="charge-shop-roles-") as folder:
        made = Server(Path(folder))
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
async def migrated(server: Server) -> Server:
    server.prepare(owner_password="of-the-owner", service_password="of-the-service")
    await migrate(server.url("charge_shop_owner", "of-the-owner"), app_user=LOGIN)
    return server


async def test_migrations_run_as_the_owner_and_the_service_starts_as_its_own(migrated: Server) -> None:
    """It looks for missing migrations too, with its own URL: there are none, and to see that needs no rights."""
    await check_version(migrated.url(LOGIN, "of-the-service"))
    assert await migrate(migrated.url(LOGIN, "of-the-service")) == 0


@pytest.mark.parametrize("role", [LOGIN, "charge_shop_service"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cell_00.entries SET amount = 0",
        "DELETE FROM cell_00.entries",
        "TRUNCATE cell_00.entries",
        "ALTER TABLE cell_00.entries DISABLE TRIGGER ALL",
        "CREATE TABLE cell_00.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SET ROLE charge_shop_owner",
    ],
)
async def test_whoever_has_the_services_password_can_only_append(migrated: Server, role: str, statement: str) -> None:
    connection = await asyncpg.connect(migrated.url(LOGIN, "of-the-service"))
    try:
        await connection.execute(f"SET ROLE {role}")
        await connection.fetch("SELECT * FROM cell_00.entries")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_owner_is_no_superuser(migrated: Server) -> None:
    connection = await asyncpg.connect(migrated.url("postgres"))
    try:
        rights = await connection.fetch(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles"
            " WHERE rolname LIKE 'charge\\_shop\\_%' ORDER BY rolname"
        )
    finally:
        await connection.close()
    assert [tuple(row) for row in rights] == [
        ("charge_shop_login", False, False, False, False, False),
        ("charge_shop_owner", False, False, True, False, False),
        ("charge_shop_service", False, False, False, False, False),
    ]


async def test_another_start_sets_the_passwords_again_and_nothing_else(migrated: Server) -> None:
    """A volume of secrets that was lost is made anew by `secrets`; what the old passwords opened stays shut."""
    try:
        migrated.prepare(owner_password="a-new-one", service_password="another-new-one")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(migrated.url(LOGIN, "of-the-service"))
        await check_version(migrated.url(LOGIN, "another-new-one"))
        assert await migrate(migrated.url("charge_shop_owner", "a-new-one"), app_user=LOGIN) == 0
    finally:
        migrated.prepare(owner_password="of-the-owner", service_password="of-the-service")


async def test_another_start_sets_the_superusers_password_too(server: Server) -> None:
    """The socket does not ask for it, but the network of the database does, where the service is."""
    in_the_database_postgres = server.url("postgres", "a-new-one").replace("/charge_shop?", "/postgres?")
    server.prepare(owner_password="x", service_password="x", superuser_password="of-the-superuser")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(in_the_database_postgres)
    server.prepare(owner_password="x", service_password="x", superuser_password="a-new-one")
    await (await asyncpg.connect(in_the_database_postgres)).close()


async def test_nobody_else_gets_in(migrated: Server) -> None:
    superuser = await asyncpg.connect(migrated.url("postgres"))
    try:
        await superuser.execute("CREATE ROLE stranger LOGIN PASSWORD 'known'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await asyncpg.connect(migrated.url("stranger", "known"))
    finally:
        await superuser.execute("DROP ROLE IF EXISTS stranger")
        await superuser.close()
