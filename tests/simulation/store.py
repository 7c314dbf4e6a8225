"""`FaultyStore`: an instance's connection to the server, with everything between them that can go wrong.

It implements `journal.store.Store` and fails in the ways which that promises, and in no other: a flush that is
cut off is `OutcomeUnknown` whether or not it will be committed, any other exchange is `JournalUnavailable`
whether or not it was carried out.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from journal.memory import MemoryStore
from journal.projections import OpenedCharge, OpenedRequest
from journal.store import (
    Batch,
    FlushRefused,
    JournalUnavailable,
    KeyOfSide,
    KnownKey,
    Lease,
    OutcomeUnknown,
    Recorded,
    Renewal,
    Snapshot,
)
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.operations import History
from tests.simulation.plan import SLOW_TIMES, Plan
from tests.simulation.server import ConnectionLost, Server, Transaction, run_now

SLOW_S = 4.0
"""The most that a cut-off statement is late."""


class FaultyStore:
    def __init__(
        self, loop: SimulatedLoop, server: Server, process: Process, plan: Plan, history: History, random: Random
    ) -> None:
        self._loop = loop
        self._server = server
        self._process = process
        self._plan = plan
        self._history = history
        self._random = random
        self._model = MemoryStore(server.database, loop.time)
        self._is_flushing = False
        self.is_calm = False
        """No faults any more."""
        self.is_cut_off = False
        """The network between this instance and the server is gone."""
        self.is_connected = False
        """The connection that flushes go by: made with the lease or a new epoch, lost with any accident."""
        self.on_lost: Callable[[], None] = lambda: None
        self.on_accident: Callable[[], None] = lambda: None
        """Called in the world, so that it may hit the instance when it is least prepared."""
        server.connections.append(self.lose_connection)

    # --- the flush ---

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        if self._is_flushing:
            self._history.bug("two flushes in flight")
        if len(batch.entries) > self._plan.batch_entries_max and not self._history.is_one_command(batch.entries):
            self._history.bug(f"a flush of {len(batch.entries)} entries")
        self._is_flushing = True
        try:
            return await self._flush(epoch, batch)
        finally:
            self._is_flushing = False

    async def _flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        fault = self._draw_flush_fault()
        if fault is not None:
            self._history.happened(f"fault: flush {fault}")
            self._pause_with_it_on_the_way()
        if fault == "unavailable" or (self.is_cut_off and self._random.random() < 0.5):
            self.lose_connection()
        if not self.is_connected:
            self._history.count("flush without a connection")
            raise JournalUnavailable("there is no connection to the database")
        if fault == "refused":
            await asyncio.sleep(self._delay_s())
            raise FlushRefused("no room")

        future: asyncio.Future[Any] = self._loop.create_future()
        transaction = Transaction(
            partial(self._server.flush, batch),
            partial(self._flush_replied, future, fault),
            is_writing=True,
            commit_s=self._delay_s(),
            begin=partial(self._server.check_fence, epoch),
            is_killed=fault == "rolled_back",
        )
        arrives_s = self._delay_s()
        if fault == "cut":
            # Late on its way, or late in the middle of its work, holding the lease row.
            arrives_s *= self._random.choice((1, 1, 30))
            transaction.commit_s = self._random.random() * self._random.choice((0.1, SLOW_S))
            cut_s = self._random.random() * self._random.choice((0.01, 0.3))
            self._loop.call_later(cut_s, self._cut, future, "the connection died")
        elif fault == "lost_request" or self.is_cut_off:
            self._loop.call_later(arrives_s, self._cut, future, "the connection died")
        elif fault == "hung":
            transaction.commit_s = self._plan.flush_timeout_s * 2 * self._random.random()
        if fault != "lost_request" and not self.is_cut_off:
            self._loop.call_later(arrives_s, self._server.receive, transaction, context=self._server.process.context)
        watchdog = self._loop.call_later(
            self._plan.flush_timeout_s, self._cut, future, "the watchdog ended the connection"
        )
        try:
            known: list[KnownKey] = await future
            return known
        finally:
            watchdog.cancel()

    def _pause_with_it_on_the_way(self) -> None:
        """The instance is stopped in the moment in which it has something on its way."""
        if self._random.random() < self._plan.accident_pause_p:
            self._loop.call_soon(self.on_accident, context=self._loop.world.context)

    def _draw_flush_fault(self) -> str | None:
        if not self.is_calm:
            for kind, probability in self._plan.flush_faults.items():
                if self._random.random() < probability:
                    return kind
        return None

    def _flush_replied(self, future: asyncio.Future[Any], fault: str | None, result: object) -> None:
        """In the server's process: the reply sets out, if anybody still listens."""
        if future.done():
            kind = type(result).__name__ if isinstance(result, Exception) else "known" if result else "written"
            self._history.happened(f"late: {kind}")
            return
        if fault == "warned" and not isinstance(result, Exception):
            result = OutcomeUnknown("the COMMIT came with a warning")
        if isinstance(result, ConnectionLost) or fault == "lost_reply":
            self._loop.call_later(
                self._delay_s(), self._cut, future, "the connection died", context=self._process.context
            )
        else:
            self._send_back(future, result, OutcomeUnknown("the connection died"))

    # --- every other exchange ---

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        model = self._model
        lease: Lease | None = await self._exchange(
            lambda: run_now(model.acquire(owner, ttl_s, is_former_owner_dead=is_former_owner_dead)), is_writing=True
        )
        self.is_connected = self.is_connected or lease is not None
        return lease

    async def renew(self, epoch: int, ttl_s: float) -> Renewal | None:
        if not self.is_calm:
            self._pause_with_it_on_the_way()
        renewal: Renewal | None = await self._exchange(
            lambda: run_now(self._model.renew(epoch, ttl_s)), is_writing=True
        )
        return renewal

    async def release(self) -> None:
        await self._exchange(lambda: run_now(self._model.release()), is_writing=True)

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        lease: Lease | None = await self._exchange(
            lambda: run_now(self._model.raise_epoch(epoch, ttl_s)), is_writing=True
        )
        self.is_connected = self.is_connected or lease is not None
        return lease

    async def load(self, seller_id: str) -> Snapshot | None:
        snapshot: Snapshot | None = await self._exchange(lambda: run_now(self._model.load(seller_id)))
        return snapshot

    async def load_charge(self, seller_id: str, charge_id: str) -> OpenedCharge | None:
        charge: OpenedCharge | None = await self._exchange(
            lambda: run_now(self._model.load_charge(seller_id, charge_id))
        )
        return charge

    async def load_request(self, seller_id: str, request_id: str) -> OpenedRequest | None:
        request: OpenedRequest | None = await self._exchange(
            lambda: run_now(self._model.load_request(seller_id, request_id))
        )
        return request

    async def recorded(self, seller_id: str, seqs: Sequence[int]) -> dict[int, Recorded]:
        found: dict[int, Recorded] = await self._exchange(lambda: run_now(self._model.recorded(seller_id, seqs)))
        return found

    async def seqs_of_keys(self, seller_id: str, keys: Sequence[KeyOfSide]) -> dict[KeyOfSide, int]:
        found: dict[KeyOfSide, int] = await self._exchange(lambda: run_now(self._model.seqs_of_keys(seller_id, keys)))
        return found

    async def sellers_with_expired_holds(self, now_us: int, limit: int, but_not: Sequence[str] = ()) -> list[str]:
        sellers: list[str] = await self._exchange(
            lambda: run_now(self._model.sellers_with_expired_holds(now_us, limit, but_not))
        )
        return sellers

    async def currency_of(self, currencies: dict[str, str], seller_id: str) -> str | None:
        """From the table of sellers, which is in the same database."""
        currency: str | None = await self._exchange(lambda: currencies.get(seller_id))
        return currency

    async def _exchange(self, execute: Callable[[], object], *, is_writing: bool = False) -> Any:
        if self.is_cut_off:
            await asyncio.sleep(self._delay_s())
            raise JournalUnavailable("the database cannot be reached")
        future: asyncio.Future[Any] = self._loop.create_future()
        fault = None
        if not self.is_calm and self._random.random() < self._plan.exchange_fault_p:
            fault = self._random.choice(("lost request", "lost reply", "cut"))
            self._history.happened(f"fault: exchange {fault}")
        transaction = Transaction(execute, partial(self._replied, future, fault), is_writing=is_writing)
        arrives_s = self._delay_s()
        if fault in ("lost request", "cut"):
            self._loop.call_later(arrives_s, self._fail, future, JournalUnavailable("the connection died"))
            arrives_s = min(arrives_s * self._random.choice((1, 30)), SLOW_S)
        if fault in ("cut", "lost reply"):
            self._server.late += 1
        if fault != "lost request":
            self._loop.call_later(arrives_s, self._server.receive, transaction, context=self._server.process.context)
        return await future

    def _replied(self, future: asyncio.Future[Any], fault: str | None, result: object) -> None:
        if fault in ("cut", "lost reply"):
            self._server.late -= 1
        if isinstance(result, ConnectionLost) or fault is not None:
            result = JournalUnavailable("the connection died")
        self._send_back(future, result, JournalUnavailable("the connection died"))

    # --- the network ---

    def lose_connection(self) -> None:
        """The connection for flushes is found to be dead. Called in any process."""
        if self.is_connected:
            self.is_connected = False
            self._loop.call_soon(self._lost, context=self._process.context)

    def _lost(self) -> None:
        self.on_lost()

    def _cut(self, future: asyncio.Future[Any], why: str) -> None:
        """The connection died under a flush."""
        if not future.done():
            self.lose_connection()
            future.set_exception(OutcomeUnknown(why))

    def _send_back(self, future: asyncio.Future[Any], result: object, if_cut_off: Exception) -> None:
        context = self._process.context
        if self._random.random() < 0.5:
            self._loop.call_soon(self._deliver, future, result, if_cut_off, context=context)
        else:
            self._loop.call_later(self._delay_s(), self._deliver, future, result, if_cut_off, context=context)

    def _deliver(self, future: asyncio.Future[Any], result: object, if_cut_off: Exception) -> None:
        if self.is_cut_off:
            result = if_cut_off
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    def _fail(self, future: asyncio.Future[Any], fault: Exception) -> None:
        if not future.done():
            future.set_exception(fault)

    def _delay_s(self) -> float:
        random = self._random.random
        return self._plan.latency_s * random() * (SLOW_TIMES if random() < 0.05 else 1.0)
