"""What is asked of the service before and after it is measured: sellers and their credit, and whether it sufficed."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp

from loadtest.cast import Admin, admin_of, make_seller
from loadtest.client import Client, UnexpectedAnswer
from loadtest.history import History

MADE_AT_ONCE: Final = 8
POLL_S: Final = 0.05
CREDIT: Final = "1000000000.00"
"""Of every seller: nothing is ever declined for lack of it."""


class Shop:
    """What is asked of the service before and after it is measured, over its API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._client = Client(session, url, History())
        self._admin: Admin

    async def sign_in(self, password: str) -> None:
        self._admin = await admin_of(self._client, "admin", password)

    async def make_sellers(self, count: int, on_made: Callable[[int], None]) -> list[str]:
        """With more credit than they can sell; answers their tokens. Two password hashes each: some 60 ms a seller.
        `on_made` is told how many there are."""
        made = 0
        gate = asyncio.Semaphore(MADE_AT_ONCE)

        async def make(number: int) -> str:
            nonlocal made
            async with gate:
                seller = await make_seller(
                    self._client,
                    self._admin,
                    f"bench-{number}",
                    name=f"Seller {number}",
                    currency="USD",
                    has_api_key=False,
                )
                credit = {"amount": CREDIT, "direction": "credit", "reason": "for the bench"}
                path = f"/v1/sellers/{seller.id}/adjustments"
                await self._client.expect(201, "POST", path, credit, credential=self._admin.token)
                made += 1
                on_made(made)
                return seller.credential

        return await asyncio.gather(*(make(number) for number in range(count)))

    async def settled(self) -> None:
        """When the service has done what was asked of it: clients that went away left commands behind, and a batch of
        10,000 that nobody waits for any more must not slow down what is measured next."""
        while await self._commands_in_flight():
            await asyncio.sleep(POLL_S)

    async def _commands_in_flight(self) -> float:
        status, text = await self._client.call("GET", "/metrics", is_text=True)
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name.endswith("commands_in_flight"):
                return float(value)
        raise UnexpectedAnswer(f"GET /metrics answered {status} without the commands in flight")

    async def has_failed_charges(self) -> bool:
        """Whether any charge of any seller was declined."""
        page = await self._client.get("/v1/charges?status=failed&limit=1", self._admin.token)
        return bool(page["data"])
