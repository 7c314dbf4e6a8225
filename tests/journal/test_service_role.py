"""The service's role: made by whoever may make it, given to whoever serves, and allowed what the service does."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from journal.embedded import EmbeddedPostgres
from journal.migrate import check_version, migrate
from journal.schema_faults import PrivilegeMissing
from journal.service_role import SERVICE_ROLE
from tests.conftest import FAST_SETTINGS, Database


@asynccontextmanager
async def connected(url: str, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


class Cluster:
    """A server of which the tests may change the roles, which are the whole server's."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    def url(self, database: str, user: str | None = None) -> str:
        url = self._server.url("owner", database)
        return url if user is None else f"postgresql://{user}:pw@{url.partition('@')[2]}"

    async def run(self, statement: str, database: str = "postgres") -> None:
        async with connected(self.url(database)) as connection:
            await connection.execute(statement)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="charge-shop-roles-") as folder:
        server = EmbeddedPostgres(Path(folder, "data"), settings=FAST_SETTINGS)
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


@pytest.fixture
async def cluster(server: EmbeddedPostgres) -> AsyncIterator[Cluster]:
    """A cluster without the service's role, with the users `creator` (who may create roles) and `plain`, the
    databases that they own, and the user `app`, who owns nothing."""
    cluster = Cluster(server)
    await cluster.run("CREATE ROLE creator LOGIN PASSWORD 'pw' CREATEROLE")
    for user in ("plain", "app"):
        await cluster.run(f"CREATE ROLE {user} LOGIN PASSWORD 'pw'")
    for database, owner in (("of_creator", "creator"), ("of_plain", "plain"), ("spare", "plain")):
        await cluster.run(f"CREATE DATABASE {database} OWNER {owner}")
    yield cluster
    for database in ("of_creator", "of_plain", "spare"):
        await cluster.run(f"DROP DATABASE {database} WITH (FORCE)")
    for user in (SERVICE_ROLE, "app", "plain", "creator"):
        await cluster.run(f"DROP ROLE IF EXISTS {user}")


async def acts_as_service(url: str) -> bool:
    async with connected(url, role=SERVICE_ROLE) as connection:
        return bool(await connection.fetchval("SELECT current_user = $1", SERVICE_ROLE))


async def test_a_superuser_makes_the_role_and_gives_it_to_the_user_that_serves(cluster: Cluster) -> None:
    await migrate(cluster.url("spare"), app_user="app")
    await check_version(cluster.url("spare", "app"))
    assert await acts_as_service(cluster.url("spare", "app"))
    assert await acts_as_service(cluster.url("spare"))


async def test_an_owner_that_may_create_roles_makes_it_and_takes_it_itself(cluster: Cluster) -> None:
    await migrate(cluster.url("of_creator", "creator"))
    assert await acts_as_service(cluster.url("of_creator", "creator"))


async def test_an_owner_that_may_create_roles_gives_it_to_the_user_that_serves(cluster: Cluster) -> None:
    await migrate(cluster.url("of_creator", "creator"), app_user="app")
    await check_version(cluster.url("of_creator", "app"))
    assert await acts_as_service(cluster.url("of_creator", "app"))


async def test_a_plain_owner_works_with_a_role_that_it_was_given(cluster: Cluster) -> None:
    await cluster.run(f"CREATE ROLE {SERVICE_ROLE} NOLOGIN; GRANT {SERVICE_ROLE} TO plain")
    await migrate(cluster.url("of_plain", "plain"))
    assert await acts_as_service(cluster.url("of_plain", "plain"))


async def test_a_plain_owner_without_the_role_is_told_what_to_run(cluster: Cluster) -> None:
    with pytest.raises(PrivilegeMissing) as failure:
        await migrate(cluster.url("of_plain", "plain"))
    await cluster.run(str(failure.value).partition("as a superuser run: ")[2])
    await migrate(cluster.url("of_plain", "plain"))
    assert await acts_as_service(cluster.url("of_plain", "plain"))


async def test_a_second_owner_is_told_to_ask_for_the_role_that_the_first_made(cluster: Cluster) -> None:
    await migrate(cluster.url("of_creator", "creator"))
    with pytest.raises(PrivilegeMissing, match=f'user "plain" .* run: GRANT {SERVICE_ROLE} TO plain$'):
        await migrate(cluster.url("of_plain", "plain"))


async def test_databases_of_one_cluster_may_be_migrated_at_once(cluster: Cluster) -> None:
    """No lock spans databases, but the role does."""
    databases = ("of_creator", "of_plain", "spare", "postgres")
    urls = [cluster.url(database) for database in databases for _ in range(2)]
    try:
        counts = await asyncio.gather(*(migrate(url, app_user="app") for url in urls))
        assert sum(count > 0 for count in counts) >= len(databases)
        for database in databases:
            await check_version(cluster.url(database, "app"))
    finally:
        await cluster.run("DROP SCHEMA shop CASCADE; DROP SCHEMA cell_00 CASCADE")


async def test_a_user_that_does_not_exist_is_named(cluster: Cluster) -> None:
    with pytest.raises(PrivilegeMissing, match='"nobody_here"'):
        await migrate(cluster.url("spare"), app_user="nobody_here")


async def test_an_owner_that_may_not_create_schemas_is_told(cluster: Cluster) -> None:
    await cluster.run(f"CREATE ROLE {SERVICE_ROLE} NOLOGIN; GRANT {SERVICE_ROLE} TO app")
    with pytest.raises(PrivilegeMissing, match="CREATE on the database"):
        await migrate(cluster.url("spare", "app"))


async def test_a_user_without_the_role_may_not_serve(cluster: Cluster) -> None:
    await migrate(cluster.url("spare"))
    with pytest.raises(PrivilegeMissing, match=f'GRANT {SERVICE_ROLE} TO "app"'):
        await check_version(cluster.url("spare", "app"))


FORBIDDEN = [
    "DELETE FROM shop.users",
    "UPDATE shop.users SET role = 'admin'",
    "UPDATE shop.users SET username = 'x'",
    "UPDATE shop.tokens SET expires_at = now()",
    "DELETE FROM shop.api_keys",
    "UPDATE shop.api_keys SET digest = digest",
    "DELETE FROM shop.sellers",
    "UPDATE shop.sellers SET currency = 'EUR'",
    "DELETE FROM shop.migrations",
    "INSERT INTO shop.migrations VALUES (99, 'x', sha256(''))",
    "TRUNCATE shop.tokens",
    "ALTER TABLE shop.users DISABLE TRIGGER ALL",
    "CREATE TABLE shop.mine (id int PRIMARY KEY)",
    "UPDATE cell_00.entries SET amount = 0",
    "DELETE FROM cell_00.entries",
    "TRUNCATE cell_00.entries",
    "DELETE FROM cell_00.lease",
]


async def test_the_service_may_not(database: Database) -> None:
    """Not even through the owner's URL: the connection acts as the role."""
    allowed = []
    for url in (database.app_url, database.owner_url):
        async with connected(url, role=SERVICE_ROLE) as connection:
            for statement in FORBIDDEN:
                try:
                    await connection.execute(statement)
                    allowed.append(statement)
                except asyncpg.InsufficientPrivilegeError:
                    pass
    assert allowed == []
