"""The actor of one seller: it lets one command at a time happen to the account, in one synchronous step.

    ask -> (account in memory?)  decide -> apply -> submit to the journal        no await in between
                  | no
                  v
           mailbox, until the account, or the charge that the command speaks of, has been loaded

What holds:
    decide, apply and submit happen without a pause, so nothing of the same seller can come between, and the
    actor goes on at once with the next command on state that is not durable yet;
    what was decided on such state is answered only after it has become durable: an answer that writes nothing
    queues in the journal behind what was submitted before it;
    a command with a known idempotency key is never decided again: it gets the first answer, or waits for it;
    when the journal says that what was submitted did not become durable, this actor is dropped as a whole.

It must not wait for anything itself: while something is loaded a task waits, and the actor is *busy*.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import replace

from actors.account import (
    Account,
    OpenCharge,
    OpenRequest,
    apply,
    decide,
    expire,
    forget_closed,
    has_due,
    missing,
)
from actors.commands import (
    Capture,
    Command,
    DecideCredit,
    Done,
    Open,
    Outcome,
    Refund,
    Refusal,
    RefusalCode,
    Settle,
    Void,
)
from journal.committer import Submission, UsedKey
from journal.entry import Entry
from journal.projections import Row
from journal.store import JournalFault

if TYPE_CHECKING:
    from actors.directory import Directory

KEYS_REMEMBERED_MAX: Final = 32
"""Idempotency keys whose answer is kept in memory, the newest; the journal knows the others."""
SLICE: Final = 64
"""Commands decided in a row before the event loop is let go: about a millisecond."""

_KeyOfSide: TypeAlias = tuple[bool, str]
_KEY_REUSED: Final = Refusal(
    RefusalCode.IDEMPOTENCY_KEY_REUSED, "the idempotency key came before with another operation or body"
)


class InternalError(Exception):
    """A bug of ours was met; the command was not done."""


class UnknownSeller(Exception):
    """There is no such seller."""


class UsedBy:
    """What an idempotency key was used for: its answer, or those who wait for it."""

    __slots__ = ("done", "request_hash", "waiting")

    def __init__(self, request_hash: bytes | None, done: Done | None) -> None:
        self.request_hash = request_hash
        self.done = done
        self.waiting: list[Envelope] = []


class Envelope(Submission):
    """A command and the reply to it, together all the way: in the mailbox, and in the journal's queue."""

    __slots__ = ("actor", "command", "opening", "reply", "used_by", "verdict")

    def __init__(self, actor: "Actor", command: Command, reply: asyncio.Future[Outcome]) -> None:
        super().__init__(actor.seller_id, (), ())
        self.actor = actor
        self.command = command
        self.reply = reply
        self.opening: Entry | None = None
        self.used_by: UsedBy | None = None
        self.verdict: Outcome | None = None

    def committed(self, last_position: int) -> None:
        actor = self.actor
        if not self.entries:
            assert self.verdict is not None
            actor.show(self, self.verdict)
            return
        actor.undurable -= 1
        actor._go_if_broken()
        done = Done(self.entries[-1], last_position, actor.account.currency, self.opening)
        self.answer(done)
        if self.used_by is not None:
            self.used_by.done = done
            for waiting in self.used_by.waiting:
                waiting.answer(replace(done, is_replay=True))
            self.used_by.waiting = []

    def failed(self, fault: JournalFault) -> None:
        self.fail(fault)
        if self.used_by is not None:
            for waiting in self.used_by.waiting:
                waiting.fail(fault)

    def answer(self, outcome: Outcome) -> None:
        self.actor.release()
        if not self.reply.done():  # The client may be gone; what it asked for has happened all the same.
            self.reply.set_result(outcome)

    def fail(self, fault: Exception) -> None:
        self.actor.release()
        if not self.reply.done():
            # A new one for each: a shared exception would collect the tracebacks of all who see it.
            self.reply.set_exception(type(fault)(*fault.args))


class Actor:
    """Made by the directory, which calls `start_loading` at once."""

    __slots__ = (
        "account",
        "directory",
        "in_flight",
        "is_broken",
        "keys",
        "mailbox",
        "seller_id",
        "task",
        "undurable",
        "was_used",
    )

    def __init__(self, directory: "Directory", seller_id: str) -> None:
        self.directory = directory
        self.seller_id = seller_id
        self.account = Account(seller_id)
        self.keys: dict[_KeyOfSide, UsedBy] = {}
        self.mailbox: deque[Envelope] = deque()
        self.task: asyncio.Task[None] | None = None
        """While there is one the actor is busy, and commands queue in the mailbox."""
        self.in_flight = 0
        """Commands that are not answered yet, wherever they are."""
        self.undurable = 0
        """Submissions with entries that are not answered yet."""
        self.was_used = True
        self.is_broken = False
        """A bug was met in the middle of a step: answers nothing more, and goes once nothing is on its way."""

    @property
    def is_idle(self) -> bool:
        return self.in_flight == 0 and self.undurable == 0 and self.task is None

    def take(self, envelope: Envelope) -> None:
        """A plain step: the command is decided before this returns, or queued behind what is being loaded."""
        self.in_flight += 1
        if self.task is not None:
            self.mailbox.append(envelope)
        elif not self._handle(envelope):
            self.mailbox.append(envelope)
            self._start(self._catch_up())

    def release(self) -> None:
        self.in_flight -= 1
        self.directory.in_flight -= 1

    def show(self, envelope: Envelope, outcome: Outcome) -> None:
        """Answers from memory, which is only as good as the lease."""
        try:
            self.directory.journal.check_readable()
        except JournalFault as fault:
            envelope.fail(fault)
        else:
            envelope.answer(outcome)

    # --- one command ---

    def _handle(self, envelope: Envelope, *, is_prepared: bool = False) -> bool:
        """Decides the command; False when something must be loaded before that can be done (see `_prepare`)."""
        try:
            assert not self.is_broken, "the actor is broken"
            self.directory.journal.check_writable()
            return self._step(envelope, is_prepared)
        except JournalFault as fault:
            envelope.fail(fault)
        except Exception as bug:
            # What is in memory may be half changed, while what was submitted before is on its way.
            self.is_broken = True
            self.directory.report_bug(self, bug)
            envelope.fail(InternalError())
            self._go_if_broken()
        return True

    def _step(self, envelope: Envelope, is_prepared: bool) -> bool:
        command = envelope.command
        caller = command.caller
        key = caller.idempotency_key
        if key is not None:
            used_by = self.keys.get((caller.by_admin, key))
            if used_by is not None:
                self._repeat(envelope, used_by)
                return True

        now_us = self.directory.clock_us()
        if has_due(self.account, now_us):
            self._expire(now_us)
        if not is_prepared and missing(self.account, command) is not None:
            return False
        decision = decide(self.account, command, now_us, self.directory.rules)
        if isinstance(decision, Refusal):
            # The flush finds a key that only the journal knows. A refusal is not flushed, so it has to ask.
            if key is not None and not is_prepared:
                return False
            self.directory.count(decision.code)
            self._show_in_order(envelope, decision)
        elif not decision:
            self._show_in_order(envelope, self.account.view())
        else:
            self._write(envelope, decision)
            if key is not None:
                self._remember((caller.by_admin, key), envelope)
        return True

    def _write(self, envelope: Envelope, entries: tuple[Entry, ...]) -> None:
        """Applies and submits what was decided. After this point it happens, unless the journal fails."""
        subject_id = entries[0].subject_id
        if subject_id is not None:
            envelope.opening = self._opening(subject_id)
        rows: list[Row] = []
        for entry in entries:
            row = apply(self.account, entry)
            if row is not None:
                rows.append(row)
            self.directory.count(entry.type)
        if subject_id is not None:
            forget_closed(self.account, subject_id)
        envelope.entries = entries
        envelope.rows = tuple(rows)
        self.undurable += 1
        self.directory.journal.submit(envelope)

    def _opening(self, subject_id: str) -> Entry:
        subject = self.account.charges.get(subject_id) or self.account.requests[subject_id]
        return subject.opening

    def _show_in_order(self, envelope: Envelope, verdict: Outcome) -> None:
        """What was seen of the account is shown only once it is durable."""
        if self.undurable == 0:
            self.show(envelope, verdict)
        else:
            envelope.verdict = verdict
            self.directory.journal.submit(envelope)

    def _repeat(self, envelope: Envelope, used_by: UsedBy) -> None:
        if used_by.request_hash != envelope.command.caller.request_hash:
            self.directory.count(_KEY_REUSED.code)
            self._show_in_order(envelope, _KEY_REUSED)
        elif used_by.done is not None:
            self.directory.count("replayed")
            envelope.answer(replace(used_by.done, is_replay=True))
        else:
            self.directory.count("replayed")
            used_by.waiting.append(envelope)

    def _remember(self, key: _KeyOfSide, envelope: Envelope) -> None:
        envelope.used_by = self.keys[key] = UsedBy(envelope.command.caller.request_hash, None)
        self._forget_old_keys()

    def _forget_old_keys(self) -> None:
        """The oldest go first, but never one whose answer is still on its way: the journal does not know it yet.

        Not while the actor is busy: what was just loaded may be for a command that is still in the mailbox."""
        if self.task is not None:
            return
        while len(self.keys) > KEYS_REMEMBERED_MAX:
            oldest = next(iter(self.keys))
            if self.keys[oldest].done is None:
                return
            del self.keys[oldest]

    def _expire(self, now_us: int) -> None:
        """Gives back every hold whose time is over, each by its own entry that nobody waits for."""
        while (entry := expire(self.account, now_us)) is not None:
            self._write(self._unasked(), (entry,))

    def _unasked(self) -> Envelope:
        """An envelope for what the actor does by itself; a failure is the journal's to report."""
        self.in_flight += 1
        self.directory.in_flight += 1
        reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(lambda done: done.cancelled() or done.exception())
        return Envelope(self, Settle(), reply)

    # --- loading ---

    def start_loading(self, used_keys: tuple[UsedKey, ...] = ()) -> None:
        """Loads the account from the journal; commands queue meanwhile."""
        self._start(self._load_account(used_keys))

    def decide_again(self, used_keys: list[UsedKey], withdrawn: list[Envelope]) -> None:
        """The journal knows some keys of what was submitted, wrote nothing of it, and gave it back."""
        self.keys = {key: used_by for key, used_by in self.keys.items() if used_by.done is not None}
        self.undurable = 0
        again: list[Envelope] = []
        for envelope in withdrawn:
            again.append(envelope)
            if envelope.used_by is not None:
                again.extend(envelope.used_by.waiting)
        for envelope in again:
            envelope.entries, envelope.rows = (), ()
            envelope.opening = envelope.used_by = envelope.verdict = None
        # Ahead of what came later: the order in which they were asked is kept.
        self.mailbox.extendleft(reversed(again))
        self.account = Account(self.seller_id)
        if self.task is not None:
            self.task.cancel()
        self.start_loading(tuple(used_keys))

    def drop(self, fault: JournalFault) -> None:
        """The end: nothing of this actor may be used any more. Its submissions are answered by the journal."""
        if self.task is not None:
            self.task.cancel()
        self._fail_mailbox(fault)

    def _fail_mailbox(self, fault: Exception) -> None:
        while self.mailbox:
            self.mailbox.popleft().fail(fault)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self.task = asyncio.get_running_loop().create_task(work)
        self.task.add_done_callback(self._worked)

    def _worked(self, task: "asyncio.Task[None]") -> None:
        """Nothing dies silently: a bug in the work leaves a broken actor and its name in the log."""
        bug = None if task.cancelled() else task.exception()
        if bug is not None:
            self.is_broken = True
            self.task = None
            self.directory.report_bug(self, bug)
            self._fail_mailbox(InternalError())
            self._go_if_broken()

    def _go_if_broken(self) -> None:
        if self.is_broken and self.undurable == 0:
            self.directory.forget(self)

    async def _load_account(self, used_keys: tuple[UsedKey, ...]) -> None:
        store = self.directory.store
        try:
            snapshot = await store.load(self.seller_id)
            if snapshot is None:
                currency = await self.directory.currency_of(self.seller_id)
                if currency is None:
                    raise UnknownSeller(self.seller_id)
                # Created, but never opened: by a creator that crashed, or just now. It must be opened before anything
                # else is decided, so what stands against writing fails the load.
                self.directory.journal.check_writable()
                opening = self._unasked()
                opening.command = Open(currency)
                self.mailbox.appendleft(opening)
            else:
                self.account.load(
                    snapshot.account,
                    snapshot.last,
                    [OpenCharge(row, opening) for row, opening in snapshot.holds],
                    [OpenRequest(row, opening) for row, opening in snapshot.requests],
                )
            for used in used_keys:
                await self._load_key((used.by_admin, used.idempotency_key), used.seq)
        except (JournalFault, UnknownSeller) as fault:
            self.directory.forget(self)
            self._fail_mailbox(fault)
        else:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Decides what has queued, in slices that leave the event loop to others; then the actor is free again."""
        handled = 0
        while self.mailbox:
            envelope = self.mailbox[0]  # Stays there while it waits: whoever ends this task finds it.
            if not self._handle(envelope) and await self._prepare(envelope):
                self._handle(envelope, is_prepared=True)
                self._forget_subject(envelope.command)
            self.mailbox.popleft()
            handled += 1
            if handled % SLICE == 0:
                await asyncio.sleep(0)
        self.task = None
        self._forget_old_keys()

    async def _prepare(self, envelope: Envelope) -> bool:
        """Loads what the journal has of the command's key, else of the charge or request that it speaks of.

        Nothing is decided meanwhile. False when the journal failed, and so the command."""
        caller = envelope.command.caller
        try:
            if caller.idempotency_key is not None:
                key = (caller.by_admin, caller.idempotency_key)
                seq = await self.directory.store.seq_of_key(self.seller_id, *key)
                if seq is not None:
                    await self._load_key(key, seq)
                    return True
            subject_id = missing(self.account, envelope.command)
            if subject_id is not None:
                await self._load_subject(envelope.command, subject_id)
        except JournalFault as fault:
            envelope.fail(fault)
            return False
        return True

    async def _load_key(self, key: _KeyOfSide, seq: int) -> None:
        recorded = await self.directory.store.recorded(self.seller_id, seq)
        assert recorded is not None
        entry = recorded.entry
        done = Done(entry, recorded.position, self.account.currency, recorded.opening)
        self.keys[key] = UsedBy(entry.request_hash, done)
        self._forget_old_keys()

    async def _load_subject(self, command: Command, subject_id: str) -> None:
        """Brings in a charge or request that is not pending, after all that was submitted of it is durable."""
        store = self.directory.store
        if self.undurable:
            await self._durable()
        if isinstance(command, DecideCredit):
            request = await store.load_request(self.seller_id, subject_id)
            if request is not None:
                self.account.requests[subject_id] = OpenRequest(*request)
        else:
            charge = await store.load_charge(self.seller_id, subject_id)
            if charge is not None:
                self.account.charges[subject_id] = OpenCharge(*charge)

    def _forget_subject(self, command: Command) -> None:
        """What was brought in and is not pending goes again, so that an account holds what is open and no more."""
        if isinstance(command, DecideCredit):
            forget_closed(self.account, command.request_id)
        elif isinstance(command, Capture | Void | Refund):
            forget_closed(self.account, command.charge_id)

    async def _durable(self) -> None:
        """Waits for all that was submitted so far."""
        barrier = self._unasked()
        barrier.verdict = self.account.view()
        self.directory.journal.check_writable()
        self.directory.journal.submit(barrier)
        await barrier.reply
