"""The load, and the oracle with it: the load test's customers, who ask until they are answered, without end.

They are less patient than the contract advises: a fault is followed by many attempts, each of which is another
chance to go wrong. Every attempt and every answer stands in the history, for the exact checker.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import aiohttp
import msgspec

from loadtest.cast import Admin, Seller, admin_of
from loadtest.client import Client
from loadtest.history import ACKNOWLEDGED, READS, Event, History, Kind, Outcome, Request
from loadtest.scenario import plan
from loadtest.scenario.play import Scenario
from tests.processes.running import ADMIN_PASSWORD

PAUSE_MAX_S: Final = 0.05
ROUND_CHARGES: Final = 300
PATIENCE_S: Final = 120.0


class ImpatientClient(Client):
    """Knows several addresses, and goes to the next where it is sent away or not answered."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        history: History,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        super().__init__(session, urls[0], history, patience_s=PATIENCE_S, on_event=on_event)
        self._urls = urls

    async def _attempt(self, request: Request, credential: str) -> tuple[Event, float]:
        asked = self._url
        event, pause_s = await super()._attempt(request, credential)
        if event.status is None or event.code == "standby":
            self._url = self._urls[(self._urls.index(asked) + 1) % len(self._urls)]
        return event, min(pause_s, PAUSE_MAX_S)

    async def look(self, request: Request, credential: str) -> Event:
        """One attempt, whatever comes of it."""
        event, _ = await super()._attempt(request, credential)
        self._history.note(event)
        return event


class Recovery:
    """Times from each fault to the first acknowledgement of something that was asked after it."""

    def __init__(self) -> None:
        self.took_s: list[float] = []
        self._fault_ns: int | None = None
        self._seen = asyncio.Event()

    def fault(self) -> None:
        self._fault_ns = time.monotonic_ns()
        self._seen.clear()

    def heard(self, event: Event) -> None:
        if self._fault_ns is None or event.sent_ns < self._fault_ns or event.request.kind in READS:
            return
        if event.outcome in ACKNOWLEDGED:
            self.took_s.append((event.answered_ns - self._fault_ns) / 1e9)
            self._fault_ns = None
            self._seen.set()

    async def over(self) -> None:
        """Returns when the service acknowledges again. The customers' patience bounds it."""
        await self._seen.wait()


class Customers:
    """`at_once` of them, on a few sellers, so that they meet. Made by `arrive`."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], random: Random, at_once: int) -> None:
        self._session = session
        self.history = History()
        self.recovery = Recovery()
        self._acknowledgements = 0
        self._wanted: list[tuple[int, asyncio.Future[None]]] = []
        self.client = ImpatientClient(session, urls, self.history, self._heard)
        self._random = random
        self._at_once = at_once
        self._orders = 0
        self._is_leaving = False
        self.admin: Admin
        self._scenario: Scenario

    @property
    def sellers(self) -> list[Seller]:
        return self._scenario.sellers

    async def arrive(self, sellers: int) -> None:
        self.admin = await admin_of(self.client, "admin", ADMIN_PASSWORD)
        self._scenario = Scenario(self.client, self.admin, f"t{self._random.getrandbits(32):x}", on_step=lambda: None)
        await self._scenario.prepare(self._round(sellers))

    async def shop(self) -> None:
        """Until `leave`."""
        while not self._is_leaving:
            play = self._round(len(self.sellers))
            # More credit comes in between the sales.
            await self._scenario.perform(msgspec.structs.replace(play, steps=(*play.before, *play.steps)))

    def leave(self) -> None:
        """Lets `shop` end with its round: what was asked is still asked until it is answered."""
        self._is_leaving = True

    async def settle(self) -> None:
        """Waits for the last of the holds that expire soon."""
        await self._scenario.settle()

    async def acknowledged(self, count: int) -> None:
        """Returns when there were so many more acknowledgements."""
        wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted.append((self._acknowledgements + count, wanted))
        await wanted

    async def look(self, url: str, seller: Seller) -> Event:
        """Reads the seller's balance at one address."""
        client = ImpatientClient(self._session, [url], self.history)
        read = Request(kind=Kind.READ_BALANCE, seller_id=seller.id, currency=seller.currency, made_by=seller.id)
        return await client.look(read, seller.credential)

    def _round(self, sellers: int) -> plan.Play:
        """The orders' numbers go on from round to round, as keys are for ever."""
        size = plan.Size(sellers=sellers, charges=ROUND_CHARGES, sales_at_once=self._orders)
        self._orders += ROUND_CHARGES
        return plan.crowd(self._random, size, at_once=self._at_once)

    def _heard(self, event: Event) -> None:
        self.recovery.heard(event)
        if event.outcome is Outcome.DONE or event.outcome is Outcome.DECLINED:
            self._acknowledgements += 1
            for place, wanted in self._wanted:
                if self._acknowledgements >= place and not wanted.done():
                    wanted.set_result(None)
            self._wanted = [each for each in self._wanted if not each[1].done()]
