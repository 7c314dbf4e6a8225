"""The journal of one cell: who may write, and the committer that writes while it may.

    standby --- lease acquired ---> leading --- epoch lost ---> standby
                                    leading --- stop() -------> stopped (lease given back)

A journal that was restored from a backup is *frozen* while it leads: it answers reads and takes no entries, until a
renewal of the lease tells that an operator has confirmed the restore (see `journal.restores`).

There is one writer per cell. The lease is a row with an epoch; every flush proves the epoch in its own
statement, so a former writer that wakes up late writes nothing. Reading from memory needs an unexpired lease
too: its deadline is counted on the clock that goes on while the machine sleeps, from *before* the renewal was
sent, so it ends here before it ends in the database.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Final

from msgspec import Struct

from journal.committer import Committer, CommitterSettings, Listener, Observer, Submission
from journal.store import (
    EpochLost,
    JournalFault,
    JournalFrozen,
    JournalUnavailable,
    Lease,
    OutcomeUnknown,
    Store,
)


class Standby(JournalFault):
    """Another instance holds the lease of this cell, or none does yet."""


class JournalState(StrEnum):
    STANDBY = "standby"
    LEADING = "leading"
    STOPPED = "stopped"


class JournalSettings(Struct, frozen=True):
    owner: str
    """Unique to this run of the process: after an `acquire` whose reply was lost the next one finds its own lease."""
    lease_ttl_s: float = 5.0
    is_former_owner_dead: bool = False
    """True for the embedded server, whose data directory only one process can hold: then the lease need not lapse."""
    committer: CommitterSettings = CommitterSettings()


boot_time_s: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds on a clock that only goes forward, also while the machine is suspended."""


class Journal:
    """Composes lease and committer over a store. Run `run()` as a task and see it end."""

    def __init__(
        self,
        store: Store,
        settings: JournalSettings,
        observer: Observer,
        *,
        clock_s: Callable[[], float] = boot_time_s,
        on_flush: Callable[[int, float], None] = lambda entries, seconds: None,
        on_fault: Callable[[JournalFault], None] = lambda fault: None,
        on_commit: Listener = lambda before, after, submissions: None,
        on_state: Callable[[JournalState], None] = lambda state: None,
        on_frozen: Callable[[bool], None] = lambda is_frozen: None,
        on_lease_fault: Callable[[JournalUnavailable], None] = lambda fault: None,
    ) -> None:
        """`on_fault` gets the database's reason for a failed flush, which clients are not shown; `on_lease_fault` the
        reason why the lease can be neither asked for nor renewed, once for each until it can."""
        self._store = store
        self._settings = settings
        self._observer = observer
        self._clock_s = clock_s
        self._on_flush = on_flush
        self._on_fault = on_fault
        self._on_commit = on_commit
        self._on_state = on_state
        self._on_frozen = on_frozen
        self._on_lease_fault = on_lease_fault
        self._lease_fault: str | None = None
        """Why the lease could not be reached the last time that it was tried."""
        self._committer: Committer | None = None
        self._deadline_s = 0.0
        self._may_be_owner = False
        """The lease was granted once, or asked for and the answer was lost: it may be ours, and has to be released."""
        self._stopping = asyncio.Event()
        self.state = JournalState.STANDBY
        self.is_frozen = False
        """The journal was restored and waits for its confirmation: nothing with entries may be submitted."""

    # --- asked by the actors, all synchronous ---

    def check_writable(self) -> None:
        """Raises what stands against submitting entries now: what `check_open` does, or `JournalFrozen`."""
        self.check_open()
        if self.is_frozen:
            raise JournalFrozen

    def check_open(self) -> None:
        """Raises what stands against submitting anything now: `Standby` or `JournalUnavailable`."""
        if self._committer is None:
            raise Standby("this instance does not hold the lease")
        if self._committer.is_recovering:
            raise JournalUnavailable("the journal is recovering")

    def check_readable(self) -> None:
        """Raises unless what is in memory is certainly the newest: the lease must not have run out."""
        self.check_open()
        if self._clock_s() >= self._deadline_s:
            raise JournalUnavailable("the lease could not be renewed")

    def submit(self, submission: Submission) -> None:
        """Only after `check_writable`, or `check_open` where it has no entries, in the same synchronous step."""
        assert self._committer is not None
        assert not (self.is_frozen and submission.entries)
        self._committer.submit(submission)

    def was_interrupted(self, seller_id: str) -> bool:
        """Whether something of this seller was on its way when the journal was last interrupted."""
        return self._committer is not None and seller_id in self._committer.interrupted

    @property
    def is_ready(self) -> bool:
        try:
            self.check_readable()
        except JournalFault:
            return False
        return True

    @property
    def epoch(self) -> int | None:
        return None if self._committer is None else self._committer.epoch

    @property
    def on_their_way(self) -> int:
        """Entries that are not durable yet, and their answers."""
        return 0 if self._committer is None else self._committer.on_their_way

    # --- life ---

    def stop(self) -> None:
        """Asks `run` to finish the flush under way, give the lease back, and return."""
        self._stopping.set()
        if self._committer is not None:
            self._committer.stop()

    async def run(self) -> None:
        is_former_owner_dead = self._settings.is_former_owner_dead
        while not self._stopping.is_set():
            started_s = self._clock_s()
            lease = await self._try_acquire(is_former_owner_dead)
            if lease is None:
                await _happens(self._stopping, self._settings.lease_ttl_s / 10)
                continue
            if self._stopping.is_set():  # It came while the lease was on its way.
                break
            # Only the first time: whoever took the lease from us later is alive.
            is_former_owner_dead = False
            self._deadline_s = started_s + self._settings.lease_ttl_s
            await self._lead(lease)
        if self._may_be_owner:
            with suppress(JournalUnavailable):  # Then it lapses by itself.
                await self._store.release()
        self._set_state(JournalState.STOPPED)

    async def _try_acquire(self, is_former_owner_dead: bool) -> Lease | None:
        try:
            lease = await self._store.acquire(
                self._settings.owner, self._settings.lease_ttl_s, is_former_owner_dead=is_former_owner_dead
            )
        except JournalUnavailable as fault:
            self._may_be_owner = True
            self._lease_tried(fault)
            return None
        self._lease_tried()
        self._may_be_owner = self._may_be_owner or lease is not None
        return lease

    async def _lead(self, lease: Lease) -> None:
        """Writes until the epoch is lost or `stop`."""
        committer = Committer(
            self._store,
            lease,
            self._settings.lease_ttl_s,
            self._observer,
            self._settings.committer,
            self._on_flush,
            self._on_fault,
            self._on_commit,
        )
        self._committer = committer
        self._set_frozen(lease.is_frozen)
        self._set_state(JournalState.LEADING)
        ended = asyncio.Event()
        renewals = asyncio.create_task(self._renew(committer, ended))
        # If a bug ended the renewals the lease would run out unnoticed: better to stop leading, and raise the bug.
        renewals.add_done_callback(lambda _: committer.stop())
        try:
            await committer.run()
        except (EpochLost, OutcomeUnknown):
            pass
        finally:
            self._committer = None
            # Not cancelled: a renewal that is under way could otherwise arrive after the lease was given back.
            ended.set()
            await renewals
            self._observer.in_doubt(None)
            if not self._stopping.is_set():
                self._set_state(JournalState.STANDBY)

    async def _renew(self, committer: Committer, ended: asyncio.Event) -> None:
        """Keeps the lease alive. Once it is somebody else's the committer is told to end."""
        while not await _happens(ended, self._settings.lease_ttl_s / 5):
            started_s, epoch = self._clock_s(), committer.epoch
            try:
                renewal = await self._store.renew(epoch, self._settings.lease_ttl_s)
            except JournalUnavailable as fault:
                self._lease_tried(fault)
                continue
            self._lease_tried()
            if renewal is not None:
                self._deadline_s = max(self._deadline_s, started_s + self._settings.lease_ttl_s)
                # A renewal can only end the freeze: whoever freezes a journal also takes the lease away.
                self._set_frozen(renewal.is_frozen)
            elif not committer.is_recovering and committer.epoch == epoch:
                committer.stop()
                return

    def _lease_tried(self, fault: JournalUnavailable | None = None) -> None:
        """Nothing else tells why an instance stays a standby, or refuses to read."""
        reason = None if fault is None else str(fault)
        if fault is not None and reason != self._lease_fault:
            self._on_lease_fault(fault)
        self._lease_fault = reason

    def _set_frozen(self, is_frozen: bool) -> None:
        if is_frozen is not self.is_frozen:
            self.is_frozen = is_frozen
            self._on_frozen(is_frozen)

    def _set_state(self, state: JournalState) -> None:
        if state is not self.state:
            self.state = state
            self._on_state(state)


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    """Waits for the event, at most so long; whether it has happened."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False
