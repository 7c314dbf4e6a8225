"""One shop and one browser for all tests of the console; each test has pages, and what it sells with, of its own."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from tests.conftest import fast_folder
from tests.console.browser import chromium, why_not
from tests.console.service_process import ADMIN_PASSWORD, Api, ServiceProcess

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

PASSWORD = "a long password"
PHONE = "+15550100001"
WAIT_MS = 30_000

_numbers = count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> "AsyncIterator[Browser]":
    if reason := why_not():
        pytest.skip(f"the console is not tested: {reason}")
    from playwright.async_api import expect

    expect.set_options(timeout=WAIT_MS)
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(browser: "Browser") -> AsyncIterator[ServiceProcess]:
    with tempfile.TemporaryDirectory(prefix="charge-shop-console-", dir=fast_folder()) as folder:
        async with ServiceProcess(Path(folder)) as running:
            yield running


class Seller:
    """A seller of a test's own, and a program of its beside the browser."""

    def __init__(self, username: str, id: str, api: Api) -> None:
        self.username = username
        self.id = id
        self.api = api

    async def charges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api.get("/v1/charges"))["data"]
        return found


class Desk:
    """Who works at this shop: pages that are signed in, and what was complained about in their consoles."""

    def __init__(self, browser: "Browser", service: ServiceProcess, nobody: Api, stack: AsyncExitStack) -> None:
        self._browser = browser
        self.service = service
        self.nobody = nobody
        self._stack = stack
        self._complaints: list[str] = []
        self._forgiven: list[str] = []

    def _hear(self, said: "ConsoleMessage") -> None:
        if said.type == "error":
            self._complaints.append(said.text)

    def forgive(self, *parts: str) -> None:
        """What the browser itself notes about answers that this test wants."""
        self._forgiven.extend(parts)

    def complaints(self) -> list[str]:
        return [said for said in self._complaints if not any(part in said for part in self._forgiven)]

    async def admin(self) -> Api:
        return await self.nobody.signed_in("admin", ADMIN_PASSWORD)

    async def new_seller(self, credit: str | None = None, currency: str = "USD") -> Seller:
        admin, username = await self.admin(), f"seller-{next(_numbers)}"
        body = {"username": username, "password": PASSWORD, "name": f"Kiosk {username}", "currency": currency}
        made = await admin.post("/v1/sellers", body)
        if credit is not None:
            adjustment = {"amount": credit, "direction": "credit", "reason": "start"}
            await admin.post(f"/v1/sellers/{made['id']}/adjustments", adjustment)
        return Seller(username, made["id"], await self.nobody.signed_in(username, PASSWORD))

    async def page(self, path: str = "/console/", **options: Any) -> "Page":
        """A page in a browser of its own; whatever it logs as an error is a complaint."""
        settings = {"locale": "en-US", "timezone_id": "UTC", "viewport": {"width": 1280, "height": 900}, **options}
        context = await self._browser.new_context(**settings)
        self._stack.push_async_callback(context.close)
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("console", self._hear)
        await page.goto(self.service.url + path)
        return page

    async def signed_in(self, username: str, password: str = PASSWORD, **options: Any) -> "Page":
        page = await self.page(**options)
        await page.get_by_label("Username").fill(username)
        await page.get_by_label("Password", exact=True).fill(password)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("Live", exact=True).wait_for()
        return page

    async def admin_page(self, **options: Any) -> "Page":
        return await self.signed_in("admin", ADMIN_PASSWORD, **options)


@asynccontextmanager
async def desk_of(browser: "Browser", service: ServiceProcess) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Desk(browser, service, Api(client, service.url), stack)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: "Browser", service: ServiceProcess) -> AsyncIterator[Desk]:
    """Fails the test that leaves an error in the console of a page."""
    async with desk_of(browser, service) as working:
        yield working
        assert working.complaints() == []
