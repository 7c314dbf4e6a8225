"""What is asked of the service before and after it is measured: sellers and their credit, and whether it sufficed."""

import asyncio
from typing import Final

import aiohttp

from loadtest.client import Client
from loadtest.history import History
from loadtest.scenario import PREPARED_AT_ONCE, SELLER_PASSWORD, Admin, admin_of, sign_in

CREDIT: Final = "1000000000.00"
"""Of every seller: nothing is ever declined for lack of it."""


class Shop:
    """What is asked of the service before and after it is measured, over its API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._client = Client(session, url, History())
        self._admin: Admin

    async def sign_in(self, password: str) -> None:
        self._admin = await admin_of(self._client, "admin", password)

    async def make_sellers(self, count: int) -> list[str]:
        """With more credit than they can sell; answers their tokens. Two password hashes each: some 60 ms a seller."""
        gate = asyncio.Semaphore(PREPARED_AT_ONCE)

        async def make(number: int) -> str:
            async with gate:
                username = f"bench-{number}"
                body = {"username": username, "password": SELLER_PASSWORD, "name": f"Seller {number}"}
                made = await self._client.expect(201, "POST", "/v1/sellers", body, credential=self._admin.token)
                credit = {"amount": CREDIT, "direction": "credit", "reason": "for the bench"}
                path = f"/v1/sellers/{made['id']}/adjustments"
                await self._client.expect(201, "POST", path, credit, credential=self._admin.token)
                token: str = (await sign_in(self._client, username, SELLER_PASSWORD))["token"]
                return token

        return await asyncio.gather(*(make(number) for number in range(count)))

    async def has_failed_charges(self) -> bool:
        """Whether any charge of any seller was declined."""
        page = await self._client.get("/v1/charges?status=failed&limit=1", self._admin.token)
        return bool(page["data"])
