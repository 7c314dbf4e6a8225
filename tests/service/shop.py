"""A whole shop for tests of the API: the real application on a real database, spoken to over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from msgspec import Struct
from yarl import URL

from journal.journal import JournalState
from service.app import Services, running
from service.database import DatabaseHome
from service.http.server import HttpServer, address_of, listen
from service.identity.first_admin import ensure_first_admin
from service.routes import application_of
from service.settings import Settings
from tests.conftest import Database

ADMIN_PASSWORD = "the admin's password"
PASSWORD = "a long password"
PHONE = "+15550100001"

_numbers = count(1)


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Of a problem."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        code = self.json["code"]
        assert isinstance(code, str)
        return code


class User:
    """Somebody with a credential, or nobody."""

    def __init__(self, shop: "Shop", credential: str | None, id: str = "") -> None:
        self.shop = shop
        self.credential = credential
        self.id = id

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if self.credential is not None:
            sent.setdefault("Authorization", f"Bearer {self.credential}")
        if key is not None:
            sent["Idempotency-Key"] = key
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        # As it stands: nothing of a strange path is mended on the way.
        url = URL(self.shop.address + path, encoded=True)
        async with self.shop.session.request(
            method, url, data=data, headers=sent, params=query, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: str) -> Answer:
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return await self.ask("POST", path, body, key=key)

    async def done(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """What is expected to succeed, decoded."""
        answer = await self.ask(method, path, body, key=key)
        assert 200 <= answer.status < 300, answer
        return answer.json if answer.body else None

    async def sell(self, amount: str, *, key: str | None = None, **more: Any) -> Answer:
        return await self.post("/v1/charges", {"phone_number": PHONE, "amount": amount, **more}, key=key)

    async def balance(self) -> tuple[str, str]:
        shown = await self.done("GET", "/v1/balance")
        return shown["available"], shown["held"]


class Shop:
    """The application as it runs now. `restarted` gives another one on the same journal."""

    def __init__(self, services: Services, address: str, session: ClientSession) -> None:
        """`address`: http://host:port."""
        self.services = services
        self.address = address
        self.session = session
        self.nobody = User(self, None)
        self.admin = User(self, None)

    async def sign_in(self, username: str, password: str) -> User:
        session = await self.nobody.done("POST", "/v1/auth/token", {"username": username, "password": password})
        me = await User(self, session["token"]).done("GET", "/v1/auth/me")
        return User(self, session["token"], me["id"])

    async def another_admin(self) -> User:
        name = f"admin-{next(_numbers)}"
        await self.admin.done("POST", "/v1/admins", {"username": name, "password": PASSWORD})
        return await self.sign_in(name, PASSWORD)

    async def seller(self, credit: str | None = None, **more: Any) -> User:
        """A new seller, signed in, with so much credit."""
        name = f"seller-{next(_numbers)}"
        made = {"username": name, "password": PASSWORD, "name": name, **more}
        created = await self.admin.done("POST", "/v1/sellers", made)
        if credit is not None:
            adjustment = {"amount": credit, "direction": "credit", "reason": "start"}
            await self.admin.done("POST", f"/v1/sellers/{created['id']}/adjustments", adjustment)
        return await self.sign_in(name, PASSWORD)

    def known(self, user: User) -> User:
        """A user of an earlier run: tokens outlive restarts."""
        return User(self, user.credential, user.id)


@asynccontextmanager
async def open_shop(database: Database, **settings: Any) -> AsyncIterator[Shop]:
    """Runs the application on the database until the end of the block."""
    home = DatabaseHome(database.app_url, database.owner_url, is_ours_alone=True)
    async with running(Settings(data_dir=Path("unused"), **settings), home) as services:
        async with asyncio.timeout(10):
            while services.journal.state is not JournalState.LEADING:
                await asyncio.sleep(0.005)
        await ensure_first_admin(services.database, services.passwords, services.sources, password=ADMIN_PASSWORD)
        async with served(services) as shop:
            shop.admin = await shop.sign_in("admin", ADMIN_PASSWORD)
            yield shop


@asynccontextmanager
async def served(services: Services) -> AsyncIterator[Shop]:
    """The services on a port of their own."""
    bound = listen("127.0.0.1", 0)
    server = HttpServer(application_of(services), bound, lambda: services.requests_in_flight)
    await server.start()
    try:
        async with ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
            yield Shop(services, address_of(bound), session)
    finally:
        await server.close()
