"""The envelope: a command of one seller and the reply to it, together from the mailbox through the journal.

    Envelope(actor, command, reply) -> mailbox -> decided: entries, rows -> the journal's queue -> `committed`, `failed`

The actor decides; the answer is put together here, once the entries are durable and their positions known. A repeat
of a key whose first use is not durable yet waits in its `FirstUse`.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from actors.commands import ChargeMany, Command, Done, ManyDone, Outcome, Refusal, RefusalCode
from journal.committer import Submission
from journal.entry import Entry
from journal.store import JournalFault, KeyOfSide, OutcomeUnknown

if TYPE_CHECKING:
    from actors.actor import Actor

KEY_REUSED: Final = Refusal(
    RefusalCode.IDEMPOTENCY_KEY_REUSED, "The idempotency key came before with another operation or body."
)
EARLIER_ONE_UNKNOWN: Final = OutcomeUnknown("an earlier request under the same key may have been applied")


class FirstUse(Struct, eq=False, gc=False):
    """The first use of an idempotency key: its answer, or, until that is durable, the repeats that wait for it.

    Those lead back to it. The garbage collector does not follow them, so they are let go with the last answer."""

    request_hash: bytes | None
    done: Done | None = None
    waiting: "tuple[Envelope, ...]" = ()

    def repeated(self) -> Done:
        """The answer to a repeat."""
        assert self.done is not None
        return replace(self.done, is_replay=True)

    def answer_waiting(self) -> None:
        for envelope in self.waiting:
            envelope.answer(self.repeated())
        self.waiting = ()


def keys_of(command: Command) -> Iterator[KeyOfSide]:
    """The idempotency keys that the command would use up."""
    for each in command.charges if isinstance(command, ChargeMany) else (command,):
        caller = each.caller
        if caller.idempotency_key is not None:
            yield caller.by_admin, caller.idempotency_key


class Envelope(Submission):
    """A command and the reply to it, together all the way: in the mailbox, and in the journal's queue."""

    __slots__ = ("actor", "command", "opening", "reply", "results", "uses", "verdict")

    def __init__(self, actor: "Actor", command: Command, reply: asyncio.Future[Outcome]) -> None:
        super().__init__(actor.seller_id, (), ())
        self.actor = actor
        self.command = command
        self.reply = reply
        self.opening: Entry | None = None
        self.uses: dict[int, FirstUse] = {}
        """Which of the entries (by index) use up a key. Neither these nor the dict are walked by the garbage collector,
        as pairs would be, ten thousand of them for a large batch."""
        self.verdict: Outcome | None = None
        """The answer of a command without entries."""
        self.results: list[int | FirstUse | Refusal] | None = None
        """For a `ChargeMany`, one per charge: the index of its entry, the earlier use of its key, or a refusal."""

    def reset(self) -> None:
        """As it was before it was decided."""
        self.entries, self.rows = (), ()
        self.opening = self.verdict = self.results = None
        self.uses = {}

    def committed(self, last_position: int) -> None:
        actor = self.actor
        if not self.entries:
            if self.results is not None:
                self.verdict = self.many(())
            assert self.verdict is not None
            actor.show(self, self.verdict)
            return
        actor.became_durable()
        dones = self._dones(last_position)
        for index, first_use in self.uses.items():
            first_use.done = dones[index]
        # What a command was about, and its key, stand on its last entry.
        self.answer(dones[-1] if self.results is None else self.many(dones))
        for first_use in self.uses.values():
            if first_use.waiting:
                first_use.answer_waiting()

    def _dones(self, last_position: int) -> list[Done]:
        """One for each of the entries."""
        currency, opening = self.actor.account.currency, self.opening
        first_position = last_position - len(self.entries) + 1
        return [Done(entry, position, currency, opening) for position, entry in enumerate(self.entries, first_position)]

    def many(self, dones: Sequence[Done]) -> ManyDone:
        """The answer of a `ChargeMany`; `dones` are those of its entries."""
        results: list[Done | Refusal] = []
        for result in self.results or ():
            if isinstance(result, int):
                results.append(dones[result])
            elif isinstance(result, FirstUse):
                # It was ahead of this, in the journal or in the queue, so it is durable by now.
                results.append(result.repeated())
            else:
                results.append(result)
        return ManyDone(tuple(results))

    def failed(self, fault: JournalFault) -> None:
        self.fail_attempt(fault)
        for first_use in self.uses.values():
            for waiting in first_use.waiting:
                waiting.fail(fault)
            first_use.waiting = ()

    def fail_attempt(self, fault: JournalFault) -> None:
        """Fails with `fault`, unless an earlier request under one of its keys may have been applied. Then "not applied"
        would be true of this attempt only, and mislead the client: it is told that the outcome is unknown."""
        actor, own = self.actor, set(self.uses.values())
        is_repeated = any(first_use not in own for first_use in actor.known(self.command))
        if not actor.account.seq:  # It was to be loaded.
            is_repeated = is_repeated or actor.directory.may_repeat_forgotten(actor.seller_id, self.command)
        self.fail(EARLIER_ONE_UNKNOWN if is_repeated else fault)

    def answer(self, outcome: Outcome) -> None:
        self.actor.release()
        if not self.reply.done():  # The client may be gone; what it asked for has happened all the same.
            self.reply.set_result(outcome)

    def fail(self, fault: Exception) -> None:
        self.actor.release()
        if not self.reply.done():
            # A new one for each: a shared exception would collect the tracebacks of all who see it.
            self.reply.set_exception(type(fault)(*fault.args))
