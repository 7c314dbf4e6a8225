"""The play: makes the sellers, and performs the steps of a plan against the service, many at a time.

It decides nothing about right and wrong; it only keeps the history honest. What cannot be known before (the id
of a charge that is to be captured) is taken from answers; everything else stands in the plan.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from loadtest.cast import Admin, Seller, make_seller
from loadtest.client import Client
from loadtest.history import Event, Kind, Outcome, Request
from loadtest.scenario.plan import (
    HOLD_SHORT_S,
    Adjust,
    ListCharges,
    Order,
    Play,
    ReadBalance,
    ReadCharge,
    Repeat,
    Reuse,
    Sell,
    Step,
    Then,
    TopUp,
)

PREPARED_AT_ONCE = 8


class Scenario:
    """One play with its cast. Times of the steps are the concern of `at_once` workers, first come, first served."""

    def __init__(self, client: Client, admin: Admin, title: str, *, on_step: Callable[[], None]) -> None:
        self._client = client
        self._admin = admin
        self._title = title
        """Begins usernames and keys, so that plays on one service do not meet."""
        self.on_step = on_step
        self._charge_ids: dict[int, str] = {}
        """By the order's number, once it is known."""
        self._last_number = 0
        self._settled_at = 0.0
        """When the last of the short holds is certainly over (monotonic)."""
        self.sellers: list[Seller] = []

    async def prepare(self, play: Play) -> None:
        """Makes the sellers and gives them their limits and first credit."""
        gate = asyncio.Semaphore(PREPARED_AT_ONCE)

        async def make(index: int) -> Seller:
            async with gate:
                seller = await make_seller(
                    self._client,
                    self._admin,
                    f"{self._title}-{index}",
                    name=f"Seller {index}",
                    currency=play.currencies[index],
                    has_api_key=index % 2 == 1,
                )
                if play.limits[index]:
                    limit = Request(
                        kind=Kind.SET_LIMIT,
                        seller_id=seller.id,
                        currency=seller.currency,
                        made_by=self._admin.user_id,
                        amount=play.limits[index],
                    )
                    await self._client.ask(limit, self._admin.token)
                self.on_step()
                return seller

        self.sellers = list(await asyncio.gather(*(make(index) for index in range(len(play.currencies)))))
        await self._perform_all(play.before, at_once=32)

    async def perform(self, play: Play) -> None:
        """All steps, begun in order, `play.at_once` in flight."""
        await self._perform_all(play.steps, play.at_once)

    async def settle(self) -> None:
        """Waits until no short hold is left, so that nothing happens any more by itself."""
        await asyncio.sleep(max(self._settled_at - time.monotonic(), 0))

    async def _perform_all(self, steps: Iterable[Step], at_once: int) -> None:
        waiting = iter(steps)
        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(self._work(waiting))

    async def _work(self, waiting: Iterator[Step]) -> None:
        for step in waiting:
            await self._perform(step)
            self.on_step()

    async def _perform(self, step: Step) -> None:
        match step:
            case Sell():
                await self._sell(step)
            case Repeat(order):
                await self._seller_asks(order.seller, self._charge(order))
            case Reuse(order):
                other = self._charge(order, amount=order.amount + 1)
                await self._seller_asks(order.seller, other)
            case ReadBalance(seller, by_admin):
                read = self._request(Kind.READ_BALANCE, seller, by_admin=by_admin)
                await self._ask(seller, read)
            case ReadCharge(order):
                charge_id = self._charge_ids.get(order.number)
                if charge_id is not None:
                    await self._seller_asks(
                        order.seller, self._request(Kind.READ_CHARGE, order.seller, target=charge_id)
                    )
            case ListCharges(seller):
                await self._seller_asks(seller, self._request(Kind.LIST_CHARGES, seller))
            case TopUp():
                await self._top_up(step)
            case Adjust(seller, amount):
                adjust = self._request(
                    Kind.ADJUST, seller, by_admin=True, key=self._key("adjust"), amount=amount, note="a count, mended"
                )
                await self._ask(seller, adjust)

    # --- steps ------------------------------------------------------------------------------------------

    async def _sell(self, step: Sell) -> None:
        order = step.order
        request = self._charge(order)
        events = await asyncio.gather(*(self._seller_asks(order.seller, request) for _ in range(step.copies)))
        answer = events[0].answer
        charge_id = answer.get("charge_id" if events[0].outcome is Outcome.DECLINED else "id")
        if charge_id is None:
            return  # Without key and without answer: nobody will know, and the checker allows for both.
        self._charge_ids[order.number] = charge_id
        if order.is_hold and order.expires_in_s == HOLD_SHORT_S:
            self._settled_at = time.monotonic() + HOLD_SHORT_S + 0.5
        await asyncio.gather(*(self._follow(order, charge_id, then) for then in step.then))

    async def _follow(self, order: Order, charge_id: str, then: Then) -> Event:
        word, _, extent = then.partition(" ")
        amount = {"part": max(order.amount // 3, 1), "too much": order.amount + 1}.get(extent)
        is_refund = word == "refund"
        request = self._request(
            Kind(word),
            order.seller,
            by_admin=is_refund,
            key=self._key(word),
            target=charge_id,
            amount=amount,
            note="wrong number" if is_refund else None,
        )
        return await self._ask(order.seller, request)

    async def _top_up(self, step: TopUp) -> None:
        seller, amount = step.seller, step.amount
        ask = self._request(
            Kind.REQUEST_CREDIT, seller, key=self._key("credit"), amount=amount, note='cash, "in hand" — 現金'
        )
        event = await self._ask(seller, ask)
        if event.status != 201:
            return
        decisions = []
        for word in step.then:
            decisions.append(
                self._request(
                    Kind(word),
                    seller,
                    by_admin=word != "cancel",
                    key=self._key(word),
                    target=event.answer["id"],
                    amount=amount,
                    note=None if word == "cancel" else "seen",
                )
            )
        await asyncio.gather(*(self._ask(seller, decision) for decision in decisions))

    # --- what steps are made of -------------------------------------------------------------------------

    def _charge(self, order: Order, **others: Any) -> Request:
        members = {
            "key": f"{self._title}-{order.number}" if order.has_key else None,
            "amount": order.amount,
            "is_hold": order.is_hold,
            "expires_in_s": order.expires_in_s,
            "phone_number": order.phone_number,
            "reference": order.reference,
            "metadata": order.metadata,
        }
        return self._request(Kind.CHARGE, order.seller, **(members | others))

    def _request(self, kind: Kind, seller: int, *, by_admin: bool = False, **members: Any) -> Request:
        who = self.sellers[seller]
        made_by = self._admin.user_id if by_admin else who.id
        return Request(kind=kind, seller_id=who.id, currency=who.currency, made_by=made_by, **members)

    def _key(self, word: str) -> str:
        self._last_number += 1
        return f"{self._title}-{word}-{self._last_number}"

    async def _seller_asks(self, seller: int, request: Request) -> Event:
        return await self._client.ask(request, self.sellers[seller].credential)

    async def _ask(self, seller: int, request: Request) -> Event:
        credential = self._admin.token if request.side == "admin" else self.sellers[seller].credential
        return await self._client.ask(request, credential)
