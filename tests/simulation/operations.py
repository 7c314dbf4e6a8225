"""What clients ask, and the history of what they were told.

An *operation* is one thing that a client wants: a command with its key. Each time it is asked is an *attempt*.
With a key the same operation may be asked any number of times. Every operation carries a *tag* that its entries
carry too, so what became of it can be read from the journal. A batch of charges is an operation too, and so is
each charge in it: an attempt of the batch is one of each of its parts.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

from actors.actor import UnknownSeller
from actors.commands import AccountView, ChargeMany, Command, DecideCredit, Done, ManyDone, Outcome, Refusal
from actors.directory import Draining, Overloaded, RateLimited
from journal.entry import Entry
from journal.journal import Standby
from journal.store import JournalUnavailable, NotApplied, OutcomeUnknown

Verdict: TypeAlias = Literal["done", "view", "refused", "not_done", "unknown", "bug"]

NOT_DONE: Final = (NotApplied, JournalUnavailable, Standby, RateLimited, Overloaded, Draining, UnknownSeller)
"""Faults that promise that nothing was written."""


class ClientGone(Exception):
    """The client hung up before the answer."""


class Crashed(Exception):
    """The instance was killed before the answer."""


class BatchRefused(Exception):
    """The atomic batch that a charge was part of was refused as a whole."""


Answer: TypeAlias = Outcome | BaseException


class Operation:
    __slots__ = ("attempts", "command", "is_part_of_atomic", "is_poison", "number", "parts", "seller_id", "tag")

    def __init__(
        self, number: int, seller_id: str, tag: str, command: Command, is_poison: bool, parts: "list[Operation]"
    ) -> None:
        self.number = number
        self.seller_id = seller_id
        self.tag = tag
        self.command = command
        self.is_poison = is_poison
        """The database will not take it, ever."""
        self.parts = parts
        """Of a batch: its charges, which may have been asked before, alone."""
        self.is_part_of_atomic = False
        """It may not be asked alone."""
        self.attempts: list[Attempt] = []

    @property
    def is_repeatable(self) -> bool:
        if isinstance(self.command, ChargeMany):
            return all(part.is_keyed for part in self.parts)
        return self.is_keyed and not self.is_part_of_atomic

    @property
    def is_keyed(self) -> bool:
        return self.command.caller.idempotency_key is not None

    @property
    def is_settled(self) -> bool:
        """Whether it has an answer that another attempt would only repeat, or that the service cannot better."""
        return any(
            attempt.verdict in ("done", "view", "refused") or isinstance(attempt.answer, UnknownSeller)
            for attempt in self.attempts
        )

    @property
    def is_in_doubt(self) -> bool:
        return any(attempt.verdict in ("unknown", None) for attempt in self.attempts) and not self.is_settled


class Attempt:
    __slots__ = (
        "answer",
        "answered_step",
        "asked_clock_us",
        "asked_step",
        "instance",
        "operation",
        "parts",
        "reply",
        "seen_seq",
        "settled",
        "verdict",
    )

    def __init__(
        self, operation: Operation, instance: str, asked_step: int, asked_clock_us: int, seen_seq: int
    ) -> None:
        self.operation = operation
        self.instance = instance
        self.asked_step = asked_step
        self.asked_clock_us = asked_clock_us
        """What the instance's wall clock showed."""
        self.seen_seq = seen_seq
        """The highest seq of the seller that anybody had been told of when this was asked."""
        self.parts: list[Attempt] = []
        self.reply: asyncio.Future[Outcome] | None = None
        self.answer: Answer | None = None
        self.answered_step = 0
        self.settled = 0
        """When the service had decided what to answer: a number in the loop's order of such moments."""
        self.verdict: Verdict | None = None


def verdict_of(answer: Answer) -> Verdict:
    match answer:
        case Done() | ManyDone():
            return "done"
        case AccountView():
            return "view"
        case Refusal():
            return "refused"
        case OutcomeUnknown() | ClientGone() | Crashed():
            return "unknown"
        case _:
            return "not_done" if isinstance(answer, (*NOT_DONE, BatchRefused)) else "bug"


def tag_of(entry: Entry) -> str | None:
    """The tag of the operation that an entry belongs to; None for what the service did by itself."""
    if entry.subject_id is not None and entry.type.startswith("credit"):
        return entry.reason
    return entry.made_by


def tag_of_command(command: Command) -> str | None:
    return command.note if isinstance(command, DecideCredit) else command.caller.made_by


class Written:
    """One flush that was committed."""

    __slots__ = ("entries", "first_position", "step")

    def __init__(self, step: int, first_position: int, entries: tuple[Entry, ...]) -> None:
        self.step = step
        self.first_position = first_position
        self.entries = entries


class History:
    """All that happened, in order. `clock` tells (step, virtual time)."""

    def __init__(self, clock: Callable[[], tuple[int, float]]) -> None:
        self._clock = clock
        self.events: list[tuple[int, float, str, object]] = []
        self.operations: list[Operation] = []
        self.written: list[Written] = []
        self.counts: Counter[str] = Counter()
        """How often each fault and each event happened."""
        self.bugs: list[tuple[int, str]] = []
        """What was seen to be wrong while it happened."""
        self.seen_seq: dict[str, int] = {}
        """The highest seq of each seller that anybody was told of."""
        self.last_leader: Any = None
        self.epochs: set[int] = set()
        self.is_frozen = False
        """The journal was restored and nobody has confirmed it: nothing may be written."""
        self._frozen_steps: dict[str, list[tuple[int, bool]]] = {}
        """When each instance came to know that the journal is frozen, and that it is not any more."""

    def note(self, kind: str, what: object = None) -> None:
        step, now = self._clock()
        self.events.append((step, now, kind, what))

    def count(self, kind: str) -> None:
        self.counts[kind] += 1

    def happened(self, kind: str, what: object = None) -> None:
        self.counts[kind] += 1
        self.note(kind, what)

    def bug(self, text: str) -> None:
        self.bugs.append((self._clock()[0], text))
        self.note("BUG", text)

    def asked(self, operation: Operation, instance: str, clock_us: int) -> Attempt:
        attempt = self._attempt(operation, instance, clock_us)
        attempt.parts = [self._attempt(part, instance, clock_us) for part in operation.parts]
        self.note("ask", attempt)
        return attempt

    def _attempt(self, operation: Operation, instance: str, clock_us: int) -> Attempt:
        seen_seq = self.seen_seq.get(operation.seller_id, 0)
        attempt = Attempt(operation, instance, self._clock()[0], clock_us, seen_seq)
        operation.attempts.append(attempt)
        return attempt

    def answered(self, attempt: Attempt, answer: Answer) -> None:
        self.counts[f"answer: {type(answer).__name__}"] += 1
        self.note("answer", (attempt, answer))
        self._settle(attempt, answer)
        for index, part in enumerate(attempt.parts):
            part.settled = attempt.settled
            match answer:
                case ManyDone():
                    self._settle(part, answer.results[index])
                case Refusal():
                    self._settle(part, BatchRefused(answer.code))
                case _:
                    self._settle(part, answer)
        if attempt.verdict == "bug":
            self.bug(f"operation {attempt.operation.number} was answered {answer!r}")

    def _settle(self, attempt: Attempt, answer: Answer) -> None:
        attempt.answer = answer
        attempt.answered_step = self._clock()[0]
        attempt.verdict = verdict_of(answer)
        seller_id = attempt.operation.seller_id
        seq = answer.entry.seq if isinstance(answer, Done) else answer.seq if isinstance(answer, AccountView) else 0
        if seq > self.seen_seq.get(seller_id, 0):
            self.seen_seq[seller_id] = seq

    def froze(self, instance: str, is_frozen: bool) -> None:
        self.note("frozen" if is_frozen else "thawed", instance)
        self._frozen_steps.setdefault(instance, []).append((self._clock()[0], is_frozen))

    def was_frozen(self, attempt: Attempt) -> bool:
        """Whether the instance may have answered in the belief that the journal is frozen."""
        is_frozen = False
        for step, is_frozen_then in self._frozen_steps.get(attempt.instance, []):
            if step > attempt.answered_step:
                break
            if step > attempt.asked_step and is_frozen:
                return True
            is_frozen = is_frozen_then
        return is_frozen

    def wrote(self, first_position: int, entries: tuple[Entry, ...]) -> None:
        if self.is_frozen:
            self.bug("a frozen journal was written to")
        self.written.append(Written(self._clock()[0], first_position, entries))
        self.note("write", self.written[-1])

    def is_one_command(self, entries: Sequence[Entry]) -> bool:
        """Whether one command alone can have written all these, which may then pass the bound of a flush."""
        tags = {tag_of(entry) for entry in entries}
        return len(tags) == 1 or any(
            tags <= {part.tag for part in operation.parts} for operation in self.operations if operation.parts
        )

    def digest(self) -> str:
        """The same for the same seed, to the last byte."""
        return sha256("\n".join(self.lines()).encode()).hexdigest()

    def lines(self, around_step: int | None = None, before: int = 60, after: int = 15) -> list[str]:
        events = self.events
        if around_step is not None:
            at = next((index for index, event in enumerate(events) if event[0] > around_step), len(events))
            events = events[max(0, at - before) : at + after]
        return [f"{step:6} {now:9.4f}s  {kind:8} {_text(what)}" for step, now, kind, what in events]


def _text(what: object) -> str:
    match what:
        case None:
            return ""
        case Attempt():
            operation = what.operation
            return (
                f"#{operation.number} of {operation.seller_id[-8:]} at {what.instance}: {_command(operation.command)}"
            )
        case (Attempt() as attempt, answer):
            return f"#{attempt.operation.number} of {attempt.operation.seller_id[-8:]}: {_answer(answer)}"
        case Written():
            entries = ", ".join(_entry(entry) for entry in what.entries)
            return f"from position {what.first_position}: {entries}"
        case _:
            return str(what)


def _command(command: Command) -> str:
    if isinstance(command, ChargeMany):
        return f"{'atomic' if command.is_atomic else 'independent'} [{'; '.join(map(_command, command.charges))}]"
    caller = command.caller
    fields = " ".join(
        f"{name}={getattr(command, name)!s}"
        for name in command.__struct_fields__
        if name != "caller" and getattr(command, name) is not None
    )
    key = f" key={'admin' if caller.by_admin else 'seller'}/{caller.idempotency_key}" if caller.idempotency_key else ""
    return f"{type(command).__name__} {fields}{key} by={caller.made_by}"


def _entry(entry: Entry) -> str:
    key = f" key={entry.idempotency_key}" if entry.idempotency_key else ""
    return (
        f"{entry.seller_id[-8:]}/{entry.seq} {entry.type} {entry.amount:+}{entry.held_change:+}"
        f" -> {entry.available_after}/{entry.held_after}{key} by={tag_of(entry)}"
    )


def _answer(answer: object) -> str:
    match answer:
        case Done():
            return f"{'replay' if answer.is_replay else 'done'} @{answer.position} {_entry(answer.entry)}"
        case ManyDone():
            return f"[{'; '.join(map(_answer, answer.results))}]"
        case AccountView():
            return f"view seq={answer.seq} available={answer.available} held={answer.held}"
        case Refusal():
            return f"refused {answer.code}: {answer.detail}"
        case _:
            return repr(answer)
