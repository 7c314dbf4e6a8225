"""One process of the service: the real journal, directory and sweeper, put together as the service does it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from random import Random
from typing import Any, Final

from actors.account import Rules
from actors.directory import Bounds, Directory
from actors.sweeper import sweep_forever
from journal.committer import CommitterSettings, Submission
from journal.journal import Journal, JournalSettings, JournalState
from tests.simulation.loop import Process, Reply, SimulatedLoop
from tests.simulation.operations import Answer, Attempt, ClientGone, Crashed, History, Operation
from tests.simulation.plan import EPOCH_US, Plan
from tests.simulation.server import Server
from tests.simulation.store import FaultyStore

DRAIN_S: Final = 3.0
STOP_S: Final = 5.0
"""Or longer, where the network is slow: for a flush that is under way, a renewal, and giving the lease back."""


class WallClock:
    """Goes with virtual time, until it jumps."""

    def __init__(self, loop: SimulatedLoop, offset_us: int) -> None:
        self._loop = loop
        self._offset_us = offset_us
        self.jumped_back_steps: list[int] = []

    def __call__(self) -> int:
        return EPOCH_US + self._offset_us + int(self._loop.now * 1_000_000)

    def jump(self, by_us: int) -> None:
        self._offset_us += by_us
        if by_us < 0:
            self.jumped_back_steps.append(self._loop.steps)


class Instance:
    def __init__(
        self,
        loop: SimulatedLoop,
        server: Server,
        plan: Plan,
        history: History,
        random: Random,
        currencies: dict[str, str],
        name: str,
        *,
        is_former_owner_dead: bool,
    ) -> None:
        self.name = name
        self.process = Process(name)
        self.clock = WallClock(loop, random.choice((0, random.randrange(-200_000, 200_000))))
        self.store = FaultyStore(loop, server, self.process, plan, history, random)
        self.is_stopping = False
        self.open: dict[Attempt, None] = {}
        """Asked here and not answered yet."""
        self._followed_to = 0
        self._database = server.database
        self._loop = loop
        self._history = history
        self._plan = plan
        self.directory = Directory(
            self.store,
            partial(self.store.currency_of, currencies),
            rules=Rules(plan.second_admin_above),
            bounds=Bounds(
                sellers_loaded_max=plan.sellers_loaded_max,
                seller_in_flight_max=plan.seller_in_flight_max,
                in_flight_max=plan.in_flight_max,
                keys_remembered_max=plan.keys_remembered_max,
            ),
            clock_us=self.clock,
            count=lambda kind: history.count(f"decision: {kind}"),
        )
        boot_offset_s = random.random() * 1_000
        self.journal = Journal(
            self.store,
            JournalSettings(
                owner=name,
                lease_ttl_s=plan.lease_ttl_s,
                is_former_owner_dead=is_former_owner_dead,
                committer=CommitterSettings(
                    batch_entries_max=plan.batch_entries_max,
                    outcome_timeout_s=plan.outcome_timeout_s,
                    retry_delay_s=plan.retry_delay_s,
                    retry_delay_max_s=10 * plan.retry_delay_s,
                ),
            ),
            self.directory,
            clock_s=lambda: boot_offset_s + loop.now,
            on_state=self._changed,
            on_commit=self._committed,
            on_frozen=partial(history.froze, name),
        )
        self.directory.attach(self.journal)
        loop.add(self.process)
        self._run = self._task(self.journal.run())
        self._sweeper = self._task(sweep_forever(self.directory, plan.sweep_pause_s))

    @property
    def is_alive(self) -> bool:
        return not self.process.is_dead

    @property
    def is_stopped(self) -> bool:
        return self.journal.state is JournalState.STOPPED

    @property
    def takes_requests(self) -> bool:
        is_open = self.is_alive and not self.is_stopping and not self.directory.is_draining
        return is_open and not self.process.is_frozen and self.journal.is_ready

    @property
    def is_frozen_leader(self) -> bool:
        return self.process.is_frozen and self.journal.state is JournalState.LEADING and not self.is_stopping

    def arrive(self, operation: Operation) -> None:
        """A request reaches the handler. To be called in this process."""
        attempt = self._history.asked(operation, self.name, self.clock())
        try:
            reply = self.directory.ask(operation.seller_id, operation.command)
        except Exception as fault:
            attempt.settled = self._loop.next_settled()
            self._history.answered(attempt, fault)
            return
        if self.directory.sellers_loaded > self._plan.sellers_loaded_max:
            self._history.bug(f"{self.directory.sellers_loaded} sellers are loaded")
        self.open[attempt] = None
        attempt.reply = reply
        reply.add_done_callback(partial(self._replied, attempt))

    def _changed(self, state: JournalState) -> None:
        history = self._history
        history.happened(f"journal {state}", self.name)
        if state is JournalState.LEADING:
            epoch = self.journal.epoch
            assert epoch is not None
            if epoch in history.epochs:
                history.bug(f"{self.name} leads with epoch {epoch}, with which another has led")
            history.epochs.add(epoch)
            if history.last_leader is not None and history.last_leader.is_alive and history.last_leader is not self:
                history.happened("takeover from an instance that lives", self.name)
            history.last_leader = self

    def _committed(self, before: int, after: int, submissions: Sequence[Submission]) -> None:
        """What whoever follows the journal is told: everything, in order, and only what is durable."""
        if submissions and before != self._followed_to:
            self._history.bug(f"told of what follows position {before}, after {self._followed_to}")
        self._followed_to = after
        position = before
        for submission in submissions:
            for entry in submission.entries:
                position += 1
                if self._database.positions.get((entry.seller_id, entry.seq)) != position:
                    self._history.bug(f"told of {entry.seller_id}/{entry.seq} at position {position}, where it is not")
        if position != after:
            self._history.bug(f"told of entries up to {after}, and shown those up to {position}")

    def hang_up(self, attempt: Attempt) -> None:
        """The client is gone: its handler is cancelled, and with it what it waits for. In this process."""
        if attempt.reply is not None and not attempt.reply.done():
            self._history.happened("client gone")
            attempt.reply.cancel()

    def crash(self) -> None:
        """kill -9."""
        self._loop.kill(self.process)
        for attempt in self.open:
            self._history.answered(attempt, Crashed())
        self.open.clear()

    def in_process(self, function: Callable[..., object], *arguments: object, delay_s: float = 0.0) -> None:
        self._loop.call_later(delay_s, function, *arguments, context=self.process.context)

    def stop(self) -> None:
        """SIGTERM. In this process."""
        self.is_stopping = True
        self._stop = self._task(self._shut_down())

    async def _shut_down(self) -> None:
        """Drain, flush, give the lease back; then the process ends, whether that was done in time or not."""
        self.directory.drain()
        slow_s = 3 * self._plan.slowest_exchange_s
        ends = self._loop.now + max(DRAIN_S, slow_s)
        while self._loop.now < ends and self.directory.in_flight:
            await asyncio.sleep(0.02)
        self._history.happened("drained" if self.directory.in_flight == 0 else "drained not in time", self.name)
        self.journal.stop()
        await asyncio.wait([self._run], timeout=max(STOP_S, slow_s))
        if not self._run.done():
            self._history.happened("stopped not in time", self.name)
        self._loop.call_soon(self.crash, context=self._loop.world.context)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work, context=self.process.context.copy())
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._history.bug(f"a task of {self.name} died: {task!r}")
        elif task is self._run and not self.is_stopping:
            self._history.bug(f"the journal of {self.name} ended by itself")

    def _replied(self, attempt: Attempt, reply: asyncio.Future[Any]) -> None:
        del self.open[attempt]
        assert isinstance(reply, Reply)
        attempt.settled = reply.settled
        answer: Answer
        if reply.cancelled():
            answer = ClientGone()
        else:
            fault = reply.exception()
            answer = reply.result() if fault is None else fault
        self._history.answered(attempt, answer)
