"""Group commit: one statement and one COMMIT for everything that was submitted while the last one was under way.

What holds:
    one flush is in flight at a time, and positions count 1, 2, 3 ... without a gap;
    a submission is told `committed` only after the COMMIT that holds its entries has returned;
    submissions are answered in the order in which they came, each exactly once: committed, failed, or
    withdrawn to be decided again;
    when the outcome of a flush is unknown nothing is sent again: the epoch is raised, which the unresolved flush
    cannot outlive, and how far the journal goes then tells what happened.

It must not decide anything about accounts, and never puts a time limit on a flush: cancelling one would
leave its outcome open. The store's watchdog ends a connection that hangs instead.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from msgspec import Struct

from journal.entry import Entry
from journal.projections import Row
from journal.store import (
    Batch,
    EpochLost,
    FlushRefused,
    JournalFault,
    JournalUnavailable,
    KeyOfSide,
    KnownKey,
    Lease,
    NotApplied,
    OutcomeUnknown,
    Store,
)

T = TypeVar("T")


class Submission:
    """Entries to write together, and whoever waits for them. One without entries waits for all submitted before it."""

    __slots__ = ("entries", "rows", "seller_id")

    def __init__(self, seller_id: str, entries: tuple[Entry, ...], rows: tuple[Row, ...]) -> None:
        self.seller_id = seller_id
        self.entries = entries
        self.rows = rows

    def committed(self, last_position: int) -> None:
        """All is durable; the last of the entries stands at `last_position`. Must not raise."""
        raise NotImplementedError

    def failed(self, fault: JournalFault) -> None:
        """Not durable, or not known to be. Must not raise."""
        raise NotImplementedError


class Observer(Protocol):
    """Told when state that was built on submissions is no longer valid. Calls are synchronous and must not raise."""

    def keys_used(self, seller_id: str, seqs: dict[KeyOfSide, int], submissions: list[Submission]) -> None:
        """Entries of the journal, by their `seq`, have these keys already. All that was submitted of this seller was
        withdrawn: its account must be loaded afresh, then these be decided again in this order."""

    def in_doubt(self, sellers: Iterable[str] | None) -> None:
        """Entries of these sellers did not become durable: what was built on them must be dropped. None: of all."""


Listener: TypeAlias = Callable[[int, int, Sequence[Submission]], None]
"""Called with each part that was acknowledged: the position before it, the position of its last entry, and the
submissions in order. The first call has no submissions: it tells the position from which this leadership continues.
Must not raise, nor take more than about 2 ms."""


class CommitterSettings(Struct, frozen=True):
    batch_entries_max: int = 512
    outcome_timeout_s: float = 10.0
    """How long those who wait for an unresolved flush are kept waiting before they get `OutcomeUnknown`."""
    retry_delay_s: float = 0.1
    retry_delay_max_s: float = 1.0


class Committer:
    """Owns the pending submissions of one cell while it holds the lease. Run `run()` as a task and see it end."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        lease_ttl_s: float,
        observer: Observer,
        settings: CommitterSettings,
        on_flush: Callable[[int, float], None],
        on_fault: Callable[[JournalFault], None],
        on_commit: Listener,
    ) -> None:
        self._store = store
        self._lease = lease
        self._lease_ttl_s = lease_ttl_s
        self._observer = observer
        self._settings = settings
        self._on_flush = on_flush
        self._on_fault = on_fault
        self._on_commit = on_commit
        self._pending: deque[Submission] = deque()
        self._in_flight: list[Submission] = []
        self._idle: asyncio.Future[None] | None = None
        self._is_stopping = False
        store.on_lost = self._wake
        self.is_recovering = False
        """A flush is unresolved, or the database is away: nothing may be submitted."""
        self.interrupted: frozenset[str] = frozenset()
        """Sellers who had something on its way at the last interruption, or at those before it if no flush came
        between. What they ask for now may repeat what is in doubt, or what was written a moment before: the key is
        not in memory any more, and the journal cannot be asked yet."""
        self._has_flushed = False
        """Since the last interruption."""
        self.on_their_way = 0
        """Entries that are pending or in flight, and their answers: one for each submission, about as much work as an
        entry. It is read in every turn of the event loop, so it is a running count, recounted after each flush,
        whatever became of it."""

    @property
    def epoch(self) -> int:
        return self._lease.epoch

    def submit(self, submission: Submission) -> None:
        """Plain and synchronous: called in the same step that decided and applied the entries."""
        assert not self.is_recovering
        assert submission.entries or not submission.rows
        self._pending.append(submission)
        self.on_their_way += _work(submission)
        if self._idle is not None:
            self._wake()

    def stop(self) -> None:
        """Lets `run` end after the flush that is under way."""
        self._is_stopping = True
        self._wake()

    def _wake(self) -> None:
        """Lets `run` look around: something was submitted, or the connection is gone, or it is to stop."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def run(self) -> None:
        """Flushes until `stop`, or raises `EpochLost`; `OutcomeUnknown` when stopped while the database is away.

        Not to be cancelled: that would leave a flush unresolved."""
        fault: JournalFault = OutcomeUnknown("the journal was stopped")
        self._on_commit(self._lease.last_position, self._lease.last_position, ())
        try:
            while not self._is_stopping:
                if not self._store.is_connected:
                    # Reconnect now, rather than let the next command fail first.
                    await self._resolve(JournalUnavailable("the connection to the database was lost"))
                    continue
                if not self._pending:
                    self._idle = asyncio.get_running_loop().create_future()
                    await self._idle
                    self._idle = None
                    continue
                # What is being decided in this turn of the event loop comes along: an eighth more throughput, since a
                # flush costs the database 0.3 ms before its first row.
                await asyncio.sleep(0)
                self._in_flight = self._take()
                await self._commit()
                self._in_flight = []
                self._count()
        except EpochLost:
            fault = NotApplied("another instance has taken over")
            raise
        finally:
            self._give_up(fault)

    def _count(self) -> None:
        self.on_their_way = sum(_work(each) for queue in (self._pending, self._in_flight) for each in queue)

    def _take(self) -> list[Submission]:
        """The next batch: in order, up to the bound on entries but at least one submission."""
        taken: list[Submission] = []
        entries = 0
        pending = self._pending
        while pending and (not taken or entries + len(pending[0].entries) <= self._settings.batch_entries_max):
            submission = pending.popleft()
            taken.append(submission)
            entries += len(submission.entries)
        return taken

    async def _commit(self) -> None:
        """Brings the batch in flight to its end, whatever it is."""
        while any(submission.entries for submission in self._in_flight):
            try:
                known = await self._flush(self._in_flight)
            except FlushRefused:
                await self._commit_by_seller()
                return
            except (OutcomeUnknown, JournalUnavailable) as fault:
                await self._resolve(fault)
                return
            if not known:
                break
            self._withdraw(known)
        self._acknowledge(self._in_flight)

    async def _flush(self, submissions: list[Submission]) -> list[KnownKey]:
        entries = [entry for submission in submissions for entry in submission.entries]
        if not entries:
            return []
        # Each row carries the whole state, so the last one of a charge or request is the one to keep.
        rows = {
            (type(row), row.seller_id, getattr(row, "seq", 0)): row
            for submission in submissions
            for row in submission.rows
        }
        loop = asyncio.get_running_loop()
        started = loop.time()
        batch = Batch(self._lease.last_position + 1, entries, list(rows.values()))
        known = await self._store.flush(self._lease.epoch, batch)
        self._has_flushed = True
        self._on_flush(len(entries), loop.time() - started)
        return known

    def _acknowledge(self, submissions: list[Submission], *, is_answered: bool = False) -> None:
        """`is_answered`: those who waited were told already that the outcome is unknown."""
        before = position = self._lease.last_position
        for submission in submissions:
            position += len(submission.entries)
            if not is_answered:
                submission.committed(position)
        self._lease = Lease(self._lease.epoch, position)
        self._on_commit(before, position, submissions)

    def _withdraw(self, known: list[KnownKey]) -> None:
        """Takes the sellers with known keys out of the batch and the queue; the others' batch is sent again at once."""
        entries = [entry for submission in self._in_flight for entry in submission.entries]
        used: dict[str, dict[KeyOfSide, int]] = {}
        for each in known:
            entry = entries[each.index]
            assert entry.idempotency_key is not None
            used.setdefault(entry.seller_id, {})[entry.by_admin, entry.idempotency_key] = each.seq
        withdrawn: dict[str, list[Submission]] = {seller_id: [] for seller_id in used}
        kept: list[Submission] = []
        still_pending: deque[Submission] = deque()
        for submission in self._in_flight:
            withdrawn.get(submission.seller_id, kept).append(submission)
        for submission in self._pending:
            withdrawn.get(submission.seller_id, still_pending).append(submission)
        self._in_flight, self._pending = kept, still_pending
        for seller_id, submissions in withdrawn.items():
            self._observer.keys_used(seller_id, used[seller_id], submissions)

    async def _commit_by_seller(self) -> None:
        """The database refused something in the batch: send each seller's part alone, so that only its own suffers."""
        parts: dict[str, list[Submission]] = {}
        for submission in self._in_flight:
            parts.setdefault(submission.seller_id, []).append(submission)
        remaining = list(parts.values())
        while remaining:
            self._in_flight = remaining.pop(0)
            try:
                known = await self._flush(self._in_flight)
            except FlushRefused as fault:
                self._fail_seller(fault)
                continue
            except (OutcomeUnknown, JournalUnavailable, EpochLost) as fault:
                # What was not sent yet certainly did not happen: it goes back to the head of the queue, to be failed.
                self._pending.extendleft(reversed([each for part in remaining for each in part]))
                if isinstance(fault, EpochLost):
                    raise
                await self._resolve(fault)
                return
            if known:
                self._withdraw(known)
                remaining.insert(0, self._in_flight)
                continue
            self._acknowledge(self._in_flight)

    def _fail_seller(self, fault: FlushRefused) -> None:
        """The batch in flight is of one seller: it fails, and so does all that was decided after it."""
        self._on_fault(fault)
        seller_id = self._in_flight[0].seller_id
        doomed = self._in_flight + [each for each in self._pending if each.seller_id == seller_id]
        self._pending = deque(each for each in self._pending if each.seller_id != seller_id)
        self._observer.in_doubt([seller_id])
        refused = NotApplied(str(fault))
        refused.__cause__ = fault
        for submission in doomed:
            submission.failed(refused)

    async def _resolve(self, fault: OutcomeUnknown | JournalUnavailable) -> None:
        """Finds out what became of the batch in flight, and gets the journal back into service."""
        self._on_fault(fault)
        self.is_recovering = True
        unsent, self._pending = self._pending, deque()
        doubtful = self._in_flight
        sellers = frozenset(each.seller_id for each in (*doubtful, *unsent))
        self.interrupted = sellers if self._has_flushed else self.interrupted | sellers
        self._has_flushed = False
        self._observer.in_doubt(sellers)
        for submission in unsent:
            submission.failed(NotApplied("the journal became unavailable"))
        if isinstance(fault, JournalUnavailable):
            for submission in doubtful:
                submission.failed(NotApplied("the journal is unavailable"))
            doubtful = self._in_flight = []
        self._count()

        give_up = asyncio.get_running_loop().call_later(self._settings.outcome_timeout_s, self._fail_doubtful)
        try:
            raised = await self._persist(lambda: self._store.raise_epoch(self._lease.epoch, self._lease_ttl_s))
        finally:
            give_up.cancel()
        # One transaction wrote all of it or nothing. Where others may have written since, the journal cannot tell: they
        # may have written what is equal to the last bit.
        absent = self._lease.last_position
        present = absent + sum(len(submission.entries) for submission in doubtful)
        if raised is None or raised.last_position not in (absent, present):
            self._fail_in_flight(OutcomeUnknown("another instance has taken over"))
            raise EpochLost
        if raised.last_position == absent:
            self._fail_in_flight(NotApplied("the journal lost its connection before the command was written"))
        else:
            self._acknowledge(doubtful, is_answered=not self._in_flight)
            self._in_flight = []
        self._lease = raised
        self.is_recovering = False

    def _fail_doubtful(self) -> None:
        """Answers those who waited too long; the resolution goes on without them."""
        self._fail_in_flight(OutcomeUnknown("the journal does not answer"))

    def _fail_in_flight(self, fault: JournalFault) -> None:
        failed, self._in_flight = self._in_flight, []
        for submission in failed:
            submission.failed(fault)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retries until the database answers. Raises OutcomeUnknown when it is still away after `stop`."""
        delay_s = self._settings.retry_delay_s
        while True:
            try:
                return await attempt()
            except JournalUnavailable as fault:
                if self._is_stopping:
                    raise OutcomeUnknown("stopped while the database was away") from fault
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._settings.retry_delay_max_s)

    def _give_up(self, fault: JournalFault) -> None:
        """The end of leadership: what is in flight fails with `fault`; what is pending was never sent: NotApplied."""
        in_flight, pending = self._in_flight, self._pending
        self._in_flight, self._pending = [], deque()
        self.is_recovering = True
        self._observer.in_doubt({each.seller_id for each in (*in_flight, *pending)})
        for submission in in_flight:
            submission.failed(fault)
        for submission in pending:
            submission.failed(NotApplied("the journal was given up"))


def _work(submission: Submission) -> int:
    """What it counts of all that is on its way: its entries and the answer to them."""
    return len(submission.entries) + 1 if submission.entries else 0
