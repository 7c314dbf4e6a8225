"""The directory: the only place that knows where a seller's actor is.

It makes actors on first use, keeps at most so many, and drops those whose memory the journal has put in doubt.
All bounds on what is in flight are kept here, before a command is decided: a command that was decided runs to
its end.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from msgspec import Struct

from actors.account import Rules
from actors.actor import Actor
from actors.commands import Command, Outcome
from actors.envelope import EARLIER_ONE_UNKNOWN, Envelope, keys_of
from journal.committer import Submission
from journal.journal import Journal
from journal.store import JournalUnavailable, KeyOfSide, NotApplied, OutcomeUnknown, Store

log = logging.getLogger(__name__)

LOOKED_AT_MAX = 64
"""Actors examined, at most, to find one to passivate."""


class RateLimited(Exception):
    """Too many commands of one seller are in flight. Nothing was done; try again in a moment."""


class Overloaded(Exception):
    """Too many commands are in flight, or requests wait. Nothing was done; try again in a moment."""


class Draining(Exception):
    """The service is shutting down. Nothing was done; another instance, or the next start, will take it."""


class Bounds(Struct, frozen=True):
    sellers_loaded_max: int = 100_000
    seller_in_flight_max: int = 4_096
    in_flight_max: int = 20_000
    keys_remembered_max: int = 2_000
    """Idempotency keys, of all sellers together, whose answer is in memory: about 1 KiB each. The journal has the
    others; finding one there costs a flush in vain, and the seller's account is read again. The bound is this low so
    that they stay in the processor's cache: with 50,000 every charge takes 6 % more processor time. The price: if one
    charge in a hundred repeats a key of a second ago, 50,000 would sell a fifth more."""


def wall_clock_us() -> int:
    return time.time_ns() // 1000


class Directory:
    """Implements `journal.committer.Observer`. `attach` gives it its journal, before the first `ask`."""

    def __init__(
        self,
        store: Store,
        currency_of: Callable[[str], Awaitable[str | None]],
        *,
        rules: Rules,
        bounds: Bounds,
        clock_us: Callable[[], int] = wall_clock_us,
        count: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.store = store
        self.currency_of = currency_of
        """Tells the currency of a seller of the shop, None for a seller that does not exist."""
        self.rules = rules
        self.clock_us = clock_us
        self.count = count
        """Told the kind of a decision: an entry's type, a refusal's code, or `replayed`. Not of single charges that a
        batch repeats, or is refused."""
        self.in_flight = 0
        self._bounds = bounds
        self._actors: OrderedDict[str, Actor] = OrderedDict()
        self._remembered: deque[KeyOfSide] = deque()
        self._remembered_of: deque[str] = deque()
        """Of which seller, not of which actor: one that is gone must not be kept by its keys. Beside them, since pairs
        would be as many more objects for the garbage collector to walk."""
        self.busy: set[Actor] = set()
        """Kept by the actors. Only what is asked of a busy one queues."""
        self.is_draining = False
        """Takes no more commands, but further parts of those that have begun."""
        self.journal: Journal
        self._loop: asyncio.AbstractEventLoop

    def attach(self, journal: Journal) -> None:
        """In the event loop that commands will come from."""
        self.journal = journal
        self._loop = asyncio.get_running_loop()

    def ask(self, seller_id: str, command: Command, *, has_begun: bool = False) -> asyncio.Future[Outcome]:
        """Gives the command to the seller's actor. A plain step; the future tells the outcome once it is durable.
        `has_begun`: it is a further part of what was taken before, and a drain waits for the whole.

        Raises at once what is known at once: Draining, Standby, JournalUnavailable, RateLimited, Overloaded; and
        OutcomeUnknown, where an earlier command of the seller is in doubt, which this one may repeat.
        The future may hold UnknownSeller, NotApplied, OutcomeUnknown, and the journal's other faults."""
        if self.is_draining and not has_begun:
            raise Draining
        try:
            self.journal.check_readable()
        except JournalUnavailable:
            if self._may_repeat(seller_id, command):
                raise OutcomeUnknown(*EARLIER_ONE_UNKNOWN.args) from None
            raise
        if self.in_flight >= self._bounds.in_flight_max:
            raise Overloaded
        actor = self._actors.get(seller_id)
        if actor is None:
            actor = self._new_actor(seller_id)
        elif actor.in_flight >= self._bounds.seller_in_flight_max:
            raise RateLimited
        actor.was_used = True
        self.in_flight += 1
        reply: asyncio.Future[Outcome] = self._loop.create_future()
        actor.take(Envelope(actor, command, reply))
        return reply

    def _may_repeat(self, seller_id: str, command: Command) -> bool:
        """Whether an earlier command with one of its keys may have been applied, or is still queued and may yet be."""
        if self.may_repeat_forgotten(seller_id, command):
            return True
        actor = self._actors.get(seller_id)
        if actor is None:
            return False
        keys = set(keys_of(command))
        return any(actor.known(command)) or any(not keys.isdisjoint(keys_of(each.command)) for each in actor.queued)

    def may_repeat_forgotten(self, seller_id: str, command: Command) -> bool:
        """Whether an interruption of the journal may have made one of its keys forgotten. An account that was loaded
        since then has its keys in the journal only."""
        return self.journal.was_interrupted(seller_id) and any(keys_of(command))

    @property
    def sellers_loaded(self) -> int:
        return len(self._actors)

    def queued(self) -> int:
        """Commands that wait in mailboxes."""
        return sum(len(actor.queued) for actor in self.busy)

    def drain(self) -> None:
        """From here on takes no new commands, only further parts of those that have begun (`ask`). Whoever asked waits
        for the futures; nothing here does."""
        self.is_draining = True

    # --- actors ---

    def _new_actor(self, seller_id: str) -> Actor:
        if len(self._actors) >= self._bounds.sellers_loaded_max:
            self._passivate_one()
        actor = self._actors[seller_id] = Actor(self, seller_id)
        actor.start_loading()
        return actor

    def _passivate_one(self) -> None:
        """Second chance: of the oldest actors an idle one goes, if possible one unused since the last look."""
        idle: Actor | None = None
        for _ in range(min(LOOKED_AT_MAX, len(self._actors))):
            seller_id, actor = next(iter(self._actors.items()))
            if actor.is_idle:
                idle = idle or actor
                if not actor.was_used:
                    idle = actor
                    break
            actor.was_used = False
            self._actors.move_to_end(seller_id)
        if idle is None:
            raise Overloaded
        del self._actors[idle.seller_id]

    def forget(self, actor: Actor) -> None:
        """Lets go of the actor; the next command makes a new one, which loads from the journal."""
        if self._actors.get(actor.seller_id) is actor:
            del self._actors[actor.seller_id]

    def remember(self, actor: Actor, key: KeyOfSide) -> None:
        """The actor keeps the answer of one more key; beyond the bound the oldest key of all is forgotten.

        Keys that a flush found used are the newest, so they are still here when their commands are decided again."""
        self._remembered.append(key)
        self._remembered_of.append(actor.seller_id)
        if len(self._remembered) > self._bounds.keys_remembered_max:
            self._forget_oldest_key()
            # Two for one, so that it gets back to its bound after having had to keep some for longer.
            if len(self._remembered) > self._bounds.keys_remembered_max:
                self._forget_oldest_key()

    def _forget_oldest_key(self) -> None:
        key, seller_id = self._remembered.popleft(), self._remembered_of.popleft()
        actor = self._actors.get(seller_id)
        if actor is not None and not actor.forget_key(key):
            self._remembered.append(key)
            self._remembered_of.append(seller_id)

    def report_bug(self, actor: Actor, bug: BaseException) -> None:
        log.error("actor_broken", exc_info=bug, extra={"seller_id": actor.seller_id})

    # --- told by the journal ---

    def in_doubt(self, sellers: Iterable[str] | None) -> None:
        fault = NotApplied("the journal was interrupted")
        for seller_id in list(self._actors) if sellers is None else sellers:
            actor = self._actors.pop(seller_id, None)
            if actor is not None:
                actor.drop(fault)

    def keys_used(self, seller_id: str, seqs: dict[KeyOfSide, int], submissions: list[Submission]) -> None:
        self._actors[seller_id].decide_again(seqs, [cast(Envelope, each) for each in submissions])
