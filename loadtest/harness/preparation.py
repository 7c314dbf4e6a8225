"""Before the load: the sellers, and their credit. Nothing that was there before is touched."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from loadtest.cast import Admin, Seller, make_seller
from loadtest.client import Client, UnexpectedAnswer
from loadtest.harness.options import CURRENCY
from loadtest.history import Kind, Request

AT_ONCE: Final = 4
"""Each takes two password hashes, which are slow on purpose: others want to sign in, too."""


async def prepare(
    client: Client, admin: Admin, run: str, *, sellers: int, credit: int, on_seller: Callable[[], None]
) -> list[Seller]:
    """Raises UnexpectedAnswer, also if the credit was not given at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def make(index: int) -> Seller:
        async with gate:
            username = f"{run}-{index}"
            seller = await make_seller(
                client, admin, username, name=f"Load test {username}", currency=CURRENCY, has_api_key=False
            )
            await _give(client, admin, seller, f"{username}-credit", credit)
            on_seller()
            return seller

    return list(await asyncio.gather(*(make(index) for index in range(sellers))))


async def _give(client: Client, admin: Admin, seller: Seller, key: str, amount: int) -> None:
    about: dict[str, Any] = {"seller_id": seller.id, "currency": seller.currency, "amount": amount, "note": "load test"}
    asked = await client.ask(Request(kind=Kind.REQUEST_CREDIT, made_by=seller.id, key=key, **about), seller.credential)
    if asked.status != 201:
        raise UnexpectedAnswer(f"a credit request answered {asked.status}: {asked.answer}")
    approve = Request(kind=Kind.APPROVE, made_by=admin.user_id, key=key, target=asked.answer["id"], **about)
    approved = await client.ask(approve, admin.token)
    if approved.answer.get("status") != "approved":
        raise UnexpectedAnswer(
            f"credit was not approved, {approved.status}: {approved.answer} (ask for less --credit?)"
        )


async def suspend(client: Client, admin: Admin, sellers: list[Seller]) -> None:
    """Closes the sellers: they can do no harm with their known password."""
    for seller in sellers:
        path = f"/v1/sellers/{seller.id}"
        await client.expect(200, "PATCH", path, {"status": "suspended"}, credential=admin.token)
