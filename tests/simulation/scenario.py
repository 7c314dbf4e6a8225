"""One seed from start to end: a time of faults, then calm, then everything is checked.

While there are faults only safety is promised. Once they have stopped the service must be well again by itself
within a bounded time: somebody leads, whatever was asked is answered, what was left in doubt is answered when
it is asked again, every seller can buy, holds whose time is over are given back, and it stops when told to.
"""

import asyncio
import gc
import logging
import traceback
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

from msgspec import Struct

from actors import account as account_rules
from actors import batches
from journal.projections import ChargeStatus
from tests.simulation.answer_rules import AnswerRules
from tests.simulation.batch_rules import check_batches, sold_before
from tests.simulation.instance import Instance
from tests.simulation.journal_rules import Violation, check_journal
from tests.simulation.loop import Deadlock, Livelock, SimulatedLoop
from tests.simulation.model import Limits, minor
from tests.simulation.operations import History, Operation
from tests.simulation.plan import Plan, plan_of
from tests.simulation.server import ConnectionLost, Server, Transaction
from tests.simulation.workload import CURRENCY, Workload, is_poison, seller_ids

CALM_MAX_S: Final = 60.0
"""Everything must be well within this time after the last fault: two leases and the slowest retries fit many times."""
ASKED_AGAIN_S: Final = 2.0
"""And so much longer for everything that is to be asked again, for that is done one after the other: with a slow
network and a loop that is held up all the time an answer takes a second (the mean of a seed), and there may be 100."""

STOPPED_MAX_S: Final = 30.0
"""Longer than the longest time that an instance takes for it before it ends by force."""


class Result(Struct):
    seed: int
    violation: str | None
    counts: dict[str, int]
    steps: int
    digest: str
    history: list[str]
    """Around the violation."""


def simulate(seed: int, *, wants_digest: bool = False, wants_history: bool = False) -> Result:
    """Runs one seed. The same seed gives the same history where strings have the same hashes (PYTHONHASHSEED)."""
    scenario = Scenario(plan_of(seed))
    violation = scenario.run()
    history = scenario.history
    lines: list[str] = []
    if violation is not None:
        lines = history.lines(min(violation.step, scenario.loop.steps))
    elif wants_history:
        lines = history.lines()
    return Result(
        seed=seed,
        violation=None if violation is None else str(violation),
        counts=dict(history.counts),
        steps=scenario.loop.steps,
        digest=history.digest() if wants_digest else "",
        history=lines,
    )


class Scenario:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = SimulatedLoop(Random(f"{plan.seed} order"), is_shuffled=plan.is_shuffled, held_up_p=plan.held_up_p)
        self.history = History(lambda: (self.loop.steps, self.loop.now))
        self._random = Random(f"{plan.seed} faults")
        self._server = Server(self.loop, self.history, is_poison)
        self._sellers = seller_ids(plan.sellers)
        self._currencies = dict.fromkeys(self._sellers, CURRENCY)
        self._instances: list[Instance] = []
        self._former: list[Instance] = []
        self._workload = Workload(Random(f"{plan.seed} workload"), plan, self.history, self._sellers)
        self._is_calm = False
        self._numbers = 0

    def run(self) -> Violation | None:
        """What was violated first, if anything."""
        violation = self._run()
        if violation is not None and self.history.bugs:
            # What never comes to its end often does so because of a bug that was seen before.
            step, text = self.history.bugs[0]
            return min(Violation(step, text), violation, key=lambda each: each.step)
        return violation

    def _run(self) -> Violation | None:
        plan = self.plan
        batches.SLICE = plan.slice  # type: ignore[misc]
        account_rules.REQUESTS_PENDING_MAX = plan.requests_pending_max  # type: ignore[misc]
        logging.disable(logging.CRITICAL)
        gc.disable()
        self.loop.set_exception_handler(self._loop_saw)
        main = self.loop.create_task(self._main(), context=self.loop.world.context.copy())
        try:
            self.loop.run_until_complete(main)
            self._check()
        except Violation as violation:
            return violation
        except (Deadlock, Livelock) as stuck:
            return Violation(self.loop.steps, f"{type(stuck).__name__}: {stuck.__doc__}")
        except Exception:
            # The history is not even one that the checker understands.
            return Violation(self.loop.steps, traceback.format_exc())
        finally:
            self.loop.set_exception_handler(lambda loop, context: None)
            self.loop.bury()
            logging.disable(logging.NOTSET)
            gc.enable()
        return None

    def _loop_saw(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "handle" in context:
            self.history.bug(f"a callback raised {context.get('exception')!r}")

    # --- the course of events ---

    async def _main(self) -> None:
        for _ in range(self.plan.instances):
            self._start_instance()
        await self._until(lambda: self._leader() is not None, 3.0, None)
        started = self.loop.now
        for at, kind in self.plan.disasters:
            self.loop.call_later(at, self._strike, kind)
        for seller_id in self._sellers:
            if self._random.random() < 0.9:
                self._ask(self._workload.new_credit(seller_id, self._workload.first_credit()), 0.0)
        await self._ask_all(started)
        await asyncio.sleep(max(0.0, started + self.plan.duration_s - self.loop.now))
        self._calm_down()
        await self._get_well()
        await self._finish()

    async def _ask_all(self, started: float) -> None:
        """All requests, in bursts."""
        random, plan = self._random, self.plan
        bursts = 1 + int(plan.requests * (1 - plan.burst_p))
        times = sorted(random.random() * plan.duration_s for _ in range(bursts))
        asked = 0
        for number, at in enumerate(times, 1):
            await asyncio.sleep(max(0.0, started + at - self.loop.now))
            while asked < plan.requests * number // bursts:
                asked += 1
                operation = self._workload.next()
                delay_s = self._workload.delay_s(operation, self.loop.now) + random.random() * plan.latency_s
                companion = self._workload.companion(operation)
                if companion is not None:
                    self._ask(companion, max(0.0, delay_s - random.random() * plan.latency_s))
                self._ask(operation, delay_s)

    def _ask(self, operation: Operation, delay_s: float) -> None:
        random, plan = self._random, self.plan
        alive = [each for each in self._instances if each.is_alive]
        # Should two instances think that they lead, both are asked; and who sends does not know that one is frozen.
        ready = [each for each in alive if each.takes_requests or each.is_frozen_leader]
        if not alive:
            return
        is_lost = not ready or random.random() < plan.wrong_instance_p
        instance = random.choice(alive if is_lost else ready)
        instance.in_process(instance.arrive, operation, delay_s=delay_s)
        if operation.is_repeatable and random.random() < plan.duplicate_p:
            self.loop.call_later(random.random() * random.choice((0.01, 2.0)), self._ask_again, operation)
        if random.random() < plan.gone_p:
            instance.in_process(self._hang_up, instance, operation, delay_s=delay_s + random.random() * plan.latency_s)

    def _ask_again(self, operation: Operation) -> None:
        ready = [each for each in self._instances if each.takes_requests]
        if ready:
            instance = self._random.choice(ready)
            instance.in_process(instance.arrive, operation)

    @staticmethod
    def _hang_up(instance: Instance, operation: Operation) -> None:
        if operation.attempts and operation.attempts[-1].instance == instance.name:
            instance.hang_up(operation.attempts[-1])

    def _leader(self) -> Instance | None:
        return next((each for each in self._instances if each.takes_requests), None)

    def _start_instance(self) -> None:
        if self._is_calm and self._instances:
            return
        self._numbers += 1
        # One instance alone owns the server's data directory: when it starts, the former owner is dead.
        is_alone = self.plan.instances == 1
        self._instances.append(
            Instance(
                self.loop,
                self._server,
                self.plan,
                self.history,
                Random(f"{self.plan.seed} instance {self._numbers}"),
                self._currencies,
                f"instance-{self._numbers}",
                is_former_owner_dead=is_alone,
            )
        )
        instance = self._instances[-1]
        instance.store.on_accident = lambda: self._pause_long(instance)
        instance.store.is_calm = self._is_calm
        self.history.happened("start", instance.name)

    # --- disasters ---

    def _strike(self, kind: str) -> None:
        if self._is_calm:
            # It was due before, but the loop was held up. Now it could kill an instance that is just being asked.
            return
        random = self._random
        for_s = random.choice((0.05, 0.5, 1.5 * self.plan.lease_ttl_s, 2.5 * self.plan.lease_ttl_s))
        for_s *= 0.5 + random.random()
        alive = [each for each in self._instances if each.is_alive and not each.process.is_frozen]
        victim = random.choice(alive) if alive else None
        match kind:
            case "outage":
                if not self._server.is_down:
                    self.history.happened("disaster: outage", f"{for_s:.2f}s")
                    self._server.kill()
                    self.loop.call_later(for_s, self._server.start)
            case "stall":
                if not self._server.process.is_frozen:
                    self.history.happened("disaster: stall", f"{for_s:.2f}s")
                    self._server.process.is_frozen = True
                    self.loop.call_later(for_s, self._thaw_server)
            case "restore":
                self.history.happened("disaster: restore", f"{for_s:.2f}s")
                self._tell_server(self._server.freeze, lambda: self.loop.call_later(for_s, self._confirm_restore))
            case "no_room":
                self.history.happened("disaster: no_room", f"{for_s:.2f}s")
                self._server.has_room = False
                self.loop.call_later(for_s, self._make_room)
            case _ if victim is not None:
                self.history.happened(f"disaster: {kind}", f"{victim.name} {for_s:.2f}s")
                self._hit(kind, victim, for_s)
            case _:
                pass

    def _hit(self, kind: str, victim: Instance, for_s: float) -> None:
        random = self._random
        match kind:
            case "crash":
                self._crash(victim)
                self.loop.call_later(for_s, self._replace, victim)
            case "pause":
                victim.process.is_frozen = True
                self._read_from(victim, for_s)
                self.loop.call_later(for_s, self._thaw, victim)
            case "disconnect":
                victim.store.lose_connection()
            case "partition":
                victim.store.is_cut_off = True
                if random.random() < 0.5:
                    victim.store.lose_connection()
                self._read_from(victim, for_s)
                self.loop.call_later(for_s, self._reconnect, victim)
            case "clock":
                by_s = random.choice((0.3, 3.0, 30.0, 3_600.0)) * random.choice((-1, 1))
                victim.in_process(victim.clock.jump, int(by_s * 1_000_000))
            case "stop":
                if not victim.is_stopping:
                    victim.is_stopping = True
                    victim.in_process(victim.stop)
                    self.loop.call_later(for_s, self._replace, victim)
            case "flood":
                seller_id = random.choice(self._sellers)
                for _ in range(random.choice((5, 80))):
                    victim.in_process(victim.arrive, self._workload.new_read(seller_id))

    def _pause_long(self, victim: Instance) -> None:
        if victim.is_alive and not victim.process.is_frozen and not self._is_calm:
            self.history.happened("disaster: pause after an accident", victim.name)
            self._hit("pause", victim, 2.5 * self.plan.lease_ttl_s)

    def _read_from(self, victim: Instance, within_s: float) -> None:
        """Some still ask it, and must not be told what is not true any more."""
        for seller_id in self._sellers:
            for _ in range(self._random.randrange(3)):
                read = self._workload.new_read(seller_id)
                victim.in_process(victim.arrive, read, delay_s=within_s * self._random.random())

    def _crash(self, victim: Instance) -> None:
        victim.crash()

    def _replace(self, victim: Instance) -> None:
        """A new process in the place of one that ended."""
        if victim.is_alive:
            self.loop.call_later(0.5, self._replace, victim)
        elif victim in self._instances:
            self._instances.remove(victim)
            self._former.append(victim)
            self._start_instance()

    def _confirm_restore(self) -> None:
        """As often as it takes."""
        again = partial(self.loop.call_later, 0.5, self._confirm_restore)
        self._tell_server(self._server.unfreeze, lambda: None, again)

    def _tell_server(
        self,
        execute: Callable[[], None],
        done: Callable[[], object],
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        """An operator's transaction: it locks the lease row as a flush does, and may be lost with the server."""

        def reply(result: object) -> None:
            self.loop.call_soon(lost if isinstance(result, ConnectionLost) else done, context=self.loop.world.context)

        transaction = Transaction(execute, reply, is_writing=True)
        self.loop.call_soon(self._server.receive, transaction, context=self._server.process.context)

    def _thaw(self, victim: Instance) -> None:
        victim.process.is_frozen = False
        self.history.note("thaw", victim.name)

    def _thaw_server(self) -> None:
        self._server.process.is_frozen = False

    def _reconnect(self, victim: Instance) -> None:
        victim.store.is_cut_off = False
        self.history.note("reconnect", victim.name)

    def _make_room(self) -> None:
        self._server.has_room = True

    # --- calm ---

    def _calm_down(self) -> None:
        """All that is broken is repaired, and nothing breaks any more."""
        self.history.note("calm")
        self._is_calm = True
        self._server.start()
        self._server.has_room = True
        self._server.process.is_frozen = False
        for instance in self._instances:
            instance.store.is_calm = True
            instance.store.is_cut_off = False
            instance.process.is_frozen = False

    async def _get_well(self) -> None:
        """In a time that is known before anything is asked: what makes no progress is found, however much there is."""
        ends = self.loop.now + CALM_MAX_S

        def left_s() -> float:
            return ends - self.loop.now

        def is_somebody_alive() -> bool:
            for each in [each for each in self._instances if not each.is_alive]:
                self._instances.remove(each)
                self._former.append(each)
            if not self._instances:
                self._start_instance()
            return self._leader() is not None

        await self._until(is_somebody_alive, left_s(), "nobody leads")
        await self._until(lambda: self._has_answered_all(), left_s(), "requests stay without an answer")
        # Before anybody looks at the sellers again: it is for the sweeper.
        await self._until(lambda: not self._due_holds(), left_s(), "holds whose time is over are not given back")
        doubtful = self._doubtful()
        ends += ASKED_AGAIN_S * len(doubtful)
        for operation in doubtful:
            await self._ask_until_settled(operation, left_s)
        for seller_id in self._sellers:
            credit, read = self._workload.new_credit(seller_id, 1), self._workload.new_read(seller_id)
            await self._ask_until_settled(credit, left_s)
            await self._ask_until_settled(read, left_s)
        await self._until(lambda: all(map(self._is_quiet, self._instances)), left_s(), "commands are still in flight")

    def _doubtful(self) -> list[Operation]:
        """What nobody knows is asked again; with its key it is answered once and for all."""
        return [
            each for each in self.history.operations if each.is_repeatable and each.is_in_doubt and not each.is_poison
        ]

    async def _ask_until_settled(self, operation: Operation, left_s: Callable[[], float]) -> None:
        while not operation.is_settled:
            instance = self._leader()
            if instance is not None:
                instance.in_process(instance.arrive, operation)
                asked = len(operation.attempts) + 1
                await self._until(
                    lambda asked=asked: (
                        len(operation.attempts) >= asked  # type: ignore[misc]
                        and operation.attempts[asked - 1].verdict is not None
                    ),
                    left_s(),
                    f"#{operation.number} is not answered",
                )
            if not operation.is_settled:
                self.history.count("asked again in the calm")
                await asyncio.sleep(0.1)
                if left_s() < 0:
                    raise Violation(self.loop.steps, f"#{operation.number} is never settled")

    async def _finish(self) -> None:
        """SIGTERM for all: they answer, flush, give the lease back and end, in time.

        Who was told to stop before the calm has to end too, but its time was one of faults."""
        await self._until(lambda: not self._server.late, 10.0, "the network never becomes quiet")
        begin = len(self.history.events)
        instances = list(self._instances)
        told = {each.name: each for each in instances if not each.is_stopping}
        for instance in told.values():
            instance.is_stopping = True
            instance.in_process(instance.stop)
        await self._until(
            lambda: not any(each.is_alive for each in instances), STOPPED_MAX_S, "the service does not stop"
        )
        for step, _, kind, what in self.history.events[begin:]:
            if what in told and kind.endswith("not in time"):
                raise Violation(step, f"in the calm an instance {kind}")
        database = self._server.database
        # One that is dead may have asked for the lease with its last words, which have arrived since.
        if database.owner in told and database.expires_at_s > self.loop.now:
            raise Violation(self.loop.steps, "the lease was not given back")

    async def _until(self, is_so: Callable[[], bool], within_s: float, otherwise: str | None) -> None:
        """Polls the world, which costs nothing in virtual time."""
        ends = self.loop.now + within_s
        while not is_so():
            if self.loop.now >= ends:
                if otherwise is None:
                    return
                raise Violation(self.loop.steps, otherwise)
            await asyncio.sleep(0.05)

    def _has_answered_all(self) -> bool:
        return not any(each.open for each in self._instances)

    @staticmethod
    def _is_quiet(instance: Instance) -> bool:
        directory = instance.directory
        return directory.in_flight == 0 and directory.queued() == 0 and instance.journal.on_their_way == 0

    def _due_holds(self) -> list[str]:
        leader = self._leader()
        if leader is None:
            return ["nobody leads"]
        now_us = leader.clock() - int(2_000_000 * self.plan.sweep_pause_s)
        return [
            row.id
            for row in self._server.database.charges.values()
            if row.status is ChargeStatus.PENDING and (row.expires_at_us or 0) <= now_us
        ]

    # --- afterwards ---

    def _check(self) -> None:
        history, database = self.history, self._server.database
        if history.bugs:
            step, text = history.bugs[0]
            raise Violation(step, text)
        above = self.plan.second_admin_above
        limits = Limits(
            self.plan.requests_pending_max,
            None if above is None else minor(above),
            sold_before(history.operations),
        )
        states = check_journal(database, history, limits)
        jumps = {each.name: each.clock.jumped_back_steps for each in (*self._instances, *self._former)}
        AnswerRules(database, history, states, limits, jumps).check()
        check_batches(history, states)
