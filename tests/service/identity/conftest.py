"""Identity composed as the service composes it, on a database that is empty again for each test, with clocks that
tests move."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from journal.embedded import EmbeddedPostgres
from journal.service_role import SERVICE_ROLE
from service.identity.api_keys import ApiKey, ApiKeys, LastUsed
from service.identity.credentials import Credentials, Principal
from service.identity.database import SETTINGS, Database, Pool
from service.identity.page import Position
from service.identity.passwords import Passwords
from service.identity.revocations import Revocations
from service.identity.sellers import SellerProfile, Sellers
from service.identity.sign_in import Session, SignIn
from service.identity.sources import Sources
from service.identity.throttle import Throttle
from service.identity.tokens import Tokens
from service.identity.users import User, Users
from tests.conftest import Database as OwnDatabase

PASSWORD = "correct horse"
HOME = "192.0.2.1"


class Clock:
    """Both clocks of a machine; they move together when a test says so."""

    def __init__(self) -> None:
        self.us = 1_790_000_000_000_000

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1_000_000

    def advance(self, seconds: float) -> None:
        self.us += round(seconds * 1_000_000)


def after(last: ApiKey | SellerProfile | User) -> Position:
    """Where the next page begins."""
    return Position(last.created_at_us, last.id)


class Identity:
    """One instance of the service, as far as identity goes."""

    def __init__(self, url: str, pool: Pool, clock: Clock) -> None:
        async def connect() -> "asyncpg.Connection[asyncpg.Record]":
            return await asyncpg.connect(url, server_settings={"role": SERVICE_ROLE, "application_name": "listener"})

        self.clock = clock
        self.database = Database(pool)
        self.passwords = Passwords(memory_kib=8, passes=1, threads=2)
        self.last_used = LastUsed(self.database)
        self.credentials = Credentials(
            self.database,
            connect,
            last_used=self.last_used,
            now_us=clock.now_us,
            monotonic=clock.monotonic,
        )
        self.sources, forget = Sources(clock.now_us, os.urandom), self.credentials.forget
        self.tokens = Tokens(self.database, self.sources, forget=forget)
        self.api_keys = ApiKeys(self.database, self.last_used, self.sources, forget=forget)
        self.users = Users(self.database, self.passwords, self.sources, forget=forget)
        self.sellers = Sellers(self.database, self.passwords, self.sources)
        self.throttle = Throttle(clock.monotonic)
        self.sign_in = SignIn(self.users, self.tokens, self.passwords, self.throttle)

    async def admin(self, username: str = "boss") -> User:
        user = await self.users.create_admin(username, PASSWORD)
        assert isinstance(user, User)
        return user

    async def seller(self, username: str = "kiosk", name: str = "Kiosk 17") -> SellerProfile:
        seller = await self.sellers.create(username, PASSWORD, name, "USD")
        assert isinstance(seller, SellerProfile)
        return seller

    async def session(self, username: str, password: str = PASSWORD, address: str = HOME) -> Session:
        session = await self.sign_in.sign_in(username, password, address)
        assert isinstance(session, Session), session
        return session

    async def token(self, username: str) -> str:
        """The Authorization header of a new session."""
        return f"Bearer {(await self.session(username)).token}"

    async def asks(self, authorization: str | None) -> Principal | None:
        """As a request is authenticated: from memory, else from the database."""
        return self.credentials.principal(authorization) or await self.credentials.load(authorization)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """With its listener at work."""
        async with listening(self.credentials.revocations):
            yield


@asynccontextmanager
async def listening(revocations: Revocations) -> AsyncIterator[Revocations]:
    running = asyncio.create_task(revocations.run())
    try:
        await until_listening(revocations)
        yield revocations
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until_listening(revocations: Revocations) -> None:
    """A ping is refused while nobody listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await revocations.ping()
            except OSError:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def instance(database: OwnDatabase, clock: Clock) -> AsyncIterator[Identity]:
    settings = {"role": SERVICE_ROLE, **SETTINGS}
    pool = await asyncpg.create_pool(database.app_url, min_size=1, max_size=8, server_settings=settings)
    identity = Identity(database.app_url, pool, clock)
    try:
        yield identity
    finally:
        identity.passwords.close()
        await pool.close()


EMPTY = "DELETE FROM shop.tokens; DELETE FROM shop.api_keys; DELETE FROM shop.sellers; DELETE FROM shop.users"


@pytest.fixture(scope="module")
def module_database(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, migrated_template: str
) -> Iterator[OwnDatabase]:
    """Made once for a module: emptying four tables takes a hundredth of the time that another database does."""
    name = request.module.__name__.rpartition(".")[2]

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(postgres.url("owner", "postgres"))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}"))
    yield OwnDatabase(name, postgres.url("owner", name), postgres.url("app", name))
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def database(module_database: OwnDatabase) -> OwnDatabase:
    connection = await asyncpg.connect(module_database.owner_url)
    await connection.execute(EMPTY)
    await connection.close()
    return module_database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def identity(database: OwnDatabase, clock: Clock) -> AsyncIterator[Identity]:
    async with instance(database, clock) as made:
        yield made


@pytest.fixture
async def owner(database: OwnDatabase) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A statement typed by hand, by somebody who may do everything."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        yield connection
    finally:
        await connection.close()
