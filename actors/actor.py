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
from collections.abc import Coroutine, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from actors import batches
from actors.account import (
    Account,
    apply,
    before_due,
    decide,
    expire,
    forget_closed,
    has_due,
    missing,
)
from actors.commands import (
    Caller,
    Capture,
    ChargeMany,
    Command,
    DecideCredit,
    Done,
    Open,
    Outcome,
    Refund,
    Refusal,
    Settle,
    Void,
)
from actors.envelope import EARLIER_ONE_UNKNOWN, KEY_REUSED, Envelope, FirstUse, keys_of
from journal.entry import Entry
from journal.projections import Row
from journal.store import JournalFault, JournalFrozen, KeyOfSide, OutcomeUnknown

if TYPE_CHECKING:
    from actors.directory import Directory

KEYS_SLICE: Final = 1_000
"""Keys for which the journal is asked at once: about a millisecond, and five for what used them."""


class InternalError(Exception):
    """A bug of ours was met; the command was not done."""


class UnknownSeller(Exception):
    """There is no such seller."""


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
        self.keys: dict[KeyOfSide, FirstUse] = {}
        self.mailbox: deque[Envelope] | None = None
        """None unless something queues: an empty deque would be more than half of what a seller takes in memory."""
        self.task: asyncio.Task[None] | None = None
        """Loads, or decides what has queued. While it runs the actor is busy: commands queue in the mailbox."""
        self.in_flight = 0
        """Commands that are not answered yet, wherever they are."""
        self.undurable = 0
        """Submissions with entries that are not answered yet."""
        self.was_used = True
        self.is_broken = False
        """A bug stopped a step half-way. The actor decides nothing more, and is dropped once nothing is undurable."""

    @property
    def is_idle(self) -> bool:
        return self.in_flight == 0 and self.undurable == 0 and self.task is None

    def take(self, envelope: Envelope) -> None:
        """A plain step: the command is decided before this returns, or queued behind what is being loaded."""
        self.in_flight += 1
        if self.task is not None:
            self._queue().append(envelope)
        elif not self._handle(envelope):
            self._queue().append(envelope)
            self._start(self._catch_up())

    def _queue(self) -> deque[Envelope]:
        if self.mailbox is None:
            self.mailbox = deque()
        return self.mailbox

    @property
    def queued(self) -> Sequence[Envelope]:
        return self.mailbox or ()

    def release(self) -> None:
        self.in_flight -= 1
        self.directory.in_flight -= 1

    def show(self, envelope: Envelope, outcome: Outcome) -> None:
        """Answers from memory, which is only as good as the lease."""
        try:
            self.directory.journal.check_readable()
        except JournalFault as fault:
            envelope.fail_attempt(fault)
        else:
            envelope.answer(outcome)

    # --- one command ---

    def _handle(self, envelope: Envelope, *, is_prepared: bool = False) -> bool:
        """Decides the command; False when something must be loaded before that can be done (see `_prepare`)."""
        try:
            assert not self.is_broken, "the actor is broken"
            if self.task is not None:  # Time has passed since it was asked.
                self.directory.journal.check_open()
            return self._step(envelope, is_prepared)
        except JournalFault as fault:
            envelope.fail_attempt(fault)
        except Exception as bug:
            # What is in memory may be half changed, while what was submitted before is on its way.
            self.is_broken = True
            self.directory.report_bug(self, bug)
            envelope.fail(InternalError())
            self._go_if_broken()
        return True

    def _step(self, envelope: Envelope, is_prepared: bool) -> bool:
        command = envelope.command
        if isinstance(command, ChargeMany):
            return batches.decide_many(self, envelope, command, is_prepared)
        caller = command.caller
        key = caller.idempotency_key
        if key is not None:
            first_use = self.keys.get((caller.by_admin, key))
            if first_use is not None:
                self._repeat(envelope, first_use)
                return True

        if self.directory.journal.is_frozen:
            return self._step_frozen(envelope, is_prepared)
        now_us = self.directory.clock_us()
        if has_due(self.account, now_us):
            self.give_back_due(now_us)
            is_prepared = False  # What was loaded may be what has just expired.
        if not is_prepared and missing(self.account, command) is not None:
            return False
        decision = decide(self.account, command, now_us, self.directory.rules)
        if isinstance(decision, Refusal):
            # The flush finds a key that only the journal knows. A refusal is not flushed, so it has to ask.
            if key is not None and not is_prepared:
                return False
            self.directory.count(decision.code)
            self.show_in_order(envelope, decision)
        elif not decision:
            self.show_in_order(envelope, self.account.view(now_us))
        else:
            if key is not None:
                self.remember(caller, envelope, len(decision) - 1)
            self._write(envelope, decision)
        return True

    def _step_frozen(self, envelope: Envelope, is_prepared: bool) -> bool:
        """Nothing can be written, so a new command is not decided; a known key is answered. Nor can an expired hold be
        given back, so a read shows the account as of just before the expiry."""
        command = envelope.command
        if isinstance(command, Settle):
            self.show_in_order(envelope, self.account.view(before_due(self.account, self.directory.clock_us())))
            return True
        # The journal may know the key, and then this is no new command.
        if command.caller.idempotency_key is not None and not is_prepared:
            return False
        raise JournalFrozen

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
        self.submit(envelope)

    def submit(self, envelope: Envelope) -> None:
        """For an envelope with entries, in the same step that applied them."""
        self.directory.journal.submit(envelope)
        self.undurable += 1  # Not before: a broken actor would wait for what the journal did not take.

    def _opening(self, subject_id: str) -> Entry:
        subject = self.account.charges.get(subject_id) or self.account.requests[subject_id]
        return subject.opening

    def show_in_order(self, envelope: Envelope, verdict: Outcome) -> None:
        """Answers with what was seen of the account, once all that was submitted before is durable."""
        if self.undurable == 0:
            self.show(envelope, verdict)
        else:
            envelope.verdict = verdict
            self.directory.journal.submit(envelope)

    def _repeat(self, envelope: Envelope, first_use: FirstUse) -> None:
        if first_use.request_hash != envelope.command.caller.request_hash:
            self.directory.count(KEY_REUSED.code)
            self.show_in_order(envelope, KEY_REUSED)
        elif first_use.done is not None:
            self.directory.count("replayed")
            envelope.answer(first_use.repeated())
        else:
            self.directory.count("replayed")
            first_use.waiting = (*first_use.waiting, envelope)

    def remember(self, caller: Caller, envelope: Envelope, index: int) -> None:
        """The entry with this index uses up the caller's key."""
        assert caller.idempotency_key is not None
        first_use = FirstUse(caller.request_hash)
        key = (caller.by_admin, caller.idempotency_key)
        self.keys[key] = first_use
        self.directory.remember(self, key)
        envelope.uses[index] = first_use

    def known(self, command: Command) -> Iterator[FirstUse]:
        """The earlier uses of the command's keys, as far as they are in memory."""
        for key in keys_of(command):
            first_use = self.keys.get(key)
            if first_use is not None:
                yield first_use

    def forget_key(self, key: KeyOfSide) -> bool:
        """Drops the key from memory, since the journal knows it; False when it has to stay for now.

        It has to stay until its answer is durable, and while the actor is busy: it may have just been loaded for a
        command that is still in the mailbox."""
        first_use = self.keys.get(key)
        if first_use is None:
            return True
        if first_use.done is None or self.task is not None:
            return False
        del self.keys[key]
        return True

    def give_back_due(self, now_us: int) -> None:
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

    def start_loading(self, seqs: dict[KeyOfSide, int] | None = None) -> None:
        """Loads the account from the journal, and the entries with these keys; commands queue meanwhile."""
        self._start(self._load_account(seqs or {}))

    def decide_again(self, seqs: dict[KeyOfSide, int], withdrawn: list[Envelope]) -> None:
        """The journal already had these of the keys that were submitted. It wrote nothing of this seller and gave all
        its submissions back, to be decided again in the same order on the account as it is in the journal."""
        self.keys = {key: first_use for key, first_use in self.keys.items() if first_use.done is not None}
        # Known to be used from here on, also if what used them cannot be loaded.
        self.keys |= {key: FirstUse(None) for key in seqs}
        self.undurable = 0
        again: list[Envelope] = []
        for envelope in withdrawn:
            again.append(envelope)
            for first_use in envelope.uses.values():
                again.extend(first_use.waiting)
        for envelope in again:
            self._know_again(envelope)
            envelope.reset()
        # Ahead of what came later: the order in which they were asked is kept.
        self._queue().extendleft(reversed(again))
        self.account = Account(self.seller_id)
        if self.task is not None:
            self.task.cancel()
        self.start_loading(seqs)

    def _know_again(self, envelope: Envelope) -> None:
        """Puts back the used keys that the batch had met, if they were forgotten since. Otherwise the next flush
        would find those used, others would be forgotten meanwhile, and so on for ever."""
        if envelope.results is None or not isinstance(envelope.command, ChargeMany):
            return
        for each, result in zip(envelope.command.charges, envelope.results, strict=True):
            if isinstance(result, FirstUse) and result.done is not None:
                assert each.caller.idempotency_key is not None
                key = (each.caller.by_admin, each.caller.idempotency_key)
                if key not in self.keys:
                    self.keys[key] = result
                    self.directory.remember(self, key)

    def drop(self, fault: JournalFault) -> None:
        """The end: nothing of this actor may be used any more. Its submissions are answered by the journal."""
        if self.task is not None:
            self.task.cancel()
        self._fail_mailbox(fault)

    def _fail_mailbox(self, fault: Exception) -> None:
        while self.mailbox:
            envelope = self.mailbox.popleft()
            if isinstance(fault, JournalFault):
                envelope.fail_attempt(fault)
            else:
                envelope.fail(fault)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self.task = asyncio.get_running_loop().create_task(work)
        self.task.add_done_callback(self._worked)
        self.directory.busy.add(self)

    def _worked(self, task: "asyncio.Task[None]") -> None:
        """Nothing dies silently: a bug in the work leaves a broken actor and its name in the log."""
        if self.task is None or self.task is task:  # Else it was cancelled, and other work has begun.
            self.directory.busy.discard(self)
        bug = None if task.cancelled() else task.exception()
        if bug is not None:
            self.is_broken = True
            self.task = None
            self.directory.report_bug(self, bug)
            self._fail_mailbox(InternalError())
            self._go_if_broken()

    def became_durable(self) -> None:
        """Called for each envelope whose entries are committed."""
        self.undurable -= 1
        self._go_if_broken()

    def _go_if_broken(self) -> None:
        if self.is_broken and self.undurable == 0:
            self.directory.forget(self)

    async def _load_account(self, seqs: dict[KeyOfSide, int]) -> None:
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
                self._queue().appendleft(opening)
            else:
                self.account.load(snapshot)
            await self._load_keys(seqs)
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
            try:
                await self._handle_slowly(envelope)
            except JournalFault as fault:
                self.directory.forget(self)
                self._fail_mailbox(fault)
                return
            self.mailbox.popleft()
            handled += batches.charges_in(envelope.command)
            if handled >= batches.SLICE:
                handled = 0
                await asyncio.sleep(0)
        self.task = self.mailbox = None

    async def _handle_slowly(self, envelope: Envelope) -> None:
        """Like `_handle`, with all that it takes. Raises a JournalFault when the account cannot be used any more."""
        command = envelope.command
        is_prepared = False
        # Once is not always enough: a hold may expire while the journal is being asked.
        while not self._handle(envelope, is_prepared=is_prepared):
            if not await self._prepare(envelope):
                break
            is_prepared = True
            if isinstance(command, ChargeMany) and command.is_atomic:
                await batches.decide_atomic(self, envelope, command)
                break
        if is_prepared:
            self._forget_subject(command)

    async def _prepare(self, envelope: Envelope) -> bool:
        """Loads the entries that used the command's keys; if there are none, the charge or request it is about.

        Nothing is decided meanwhile. False when the journal failed, and so the command."""
        command = envelope.command
        try:
            is_known = await self._find_keys(command)
            subject_id = missing(self.account, command)
            if subject_id is not None and not is_known:
                await self._load_subject(command, subject_id)
        except JournalFault as fault:
            envelope.fail_attempt(fault)
            return False
        return True

    async def _find_keys(self, command: Command) -> bool:
        """Whether the journal knew any key of the command that was not in memory."""
        keys = keys_of(command)
        is_known = False
        while some := list(islice(keys, KEYS_SLICE)):
            unknown = [key for key in some if key not in self.keys]
            if not unknown:
                await asyncio.sleep(0)
                continue
            seqs = await self.directory.store.seqs_of_keys(self.seller_id, unknown)
            try:
                await self._load_keys(seqs)
            except JournalFault as fault:
                raise OutcomeUnknown(*EARLIER_ONE_UNKNOWN.args) from fault
            is_known = is_known or bool(seqs)
        return is_known

    async def _load_keys(self, seqs: dict[KeyOfSide, int]) -> None:
        if not seqs:
            return
        recorded = await self.directory.store.recorded(self.seller_id, sorted(seqs.values()))
        for key, seq in seqs.items():
            found = recorded[seq]
            done = Done(found.entry, found.position, self.account.currency, found.opening)
            self.keys[key] = FirstUse(found.entry.request_hash, done)
            self.directory.remember(self, key)

    async def _load_subject(self, command: Command, subject_id: str) -> None:
        """Loads a charge or request that is not pending, once everything submitted so far is durable: before that the
        journal might show an older state of it."""
        store = self.directory.store
        if self.undurable:
            await self.durable()
        if isinstance(command, DecideCredit):
            request = await store.load_request(self.seller_id, subject_id)
            if request is not None:
                self.account.requests[subject_id] = request
        else:
            charge = await store.load_charge(self.seller_id, subject_id)
            if charge is not None:
                self.account.charges[subject_id] = charge

    def _forget_subject(self, command: Command) -> None:
        """Undoes `_load_subject`, so that an account holds only what is open."""
        if isinstance(command, DecideCredit):
            forget_closed(self.account, command.request_id)
        elif isinstance(command, Capture | Void | Refund):
            forget_closed(self.account, command.charge_id)

    async def durable(self) -> None:
        """Waits for all that was submitted so far."""
        self.directory.journal.check_open()
        barrier = self._unasked()
        barrier.verdict = self.account.view()
        self.directory.journal.submit(barrier)
        await barrier.reply
