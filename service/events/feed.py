"""The feed: passes on what the committer acknowledges, to every stream that has joined.

    committed -> (who wants it?) -> arrived -> encode -> frames per audience ... a round: blocks -> `pass_on`

`committed` is called by the committer between two flushes. The entries of a flush of the usual size are encoded there
and then, while they are in the processor's cache: later it would take longer (see docs/performance.md). Larger ones, as
of an atomic batch of thousands, are left to the rounds.

Rounds are the work of one task, done in slices. After each round it pauses, in proportion to how long the round took
and to how busy the event loop is: delivering takes at most a share of a busy loop's time, whatever the machine, as long
as no event is late by more than `pause_max_s`. So with little to do an event leaves at once, and under load each stream
gets several in one write. That is what saves time: handing a block to the kernel takes 10 us.

What holds:
    `position` is that of the last entry acknowledged, at any moment;
    frames are made in the order of the journal, whether at once or in a round;
    a stream that joined at a position is passed every later entry that it wants, in order, each once, until it
    leaves or is told to `fall_behind`;
    nothing here waits for a client.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from time import perf_counter, thread_time
from typing import Final, TypeAlias, cast

from actors.envelope import Envelope
from journal.committer import Submission
from journal.entry import Entry
from service.events.blocks import Audience, blocks_of
from service.events.bounds import Bounds
from service.events.frames import frame
from service.events.stream import Stream

log = logging.getLogger(__name__)

_Arrival: TypeAlias = tuple[int, tuple[Entry, ...], str]
"""The position before the first of the entries, the entries of one seller, their currency."""


class Feed:
    """`run` it as a task."""

    def __init__(
        self, bounds: Bounds, *, now_s: Callable[[], float] = perf_counter, worked_s: Callable[[], float] = thread_time
    ) -> None:
        """`worked_s` counts only while this thread runs."""
        self.bounds = bounds
        self.position = 0
        self.held_bytes = 0
        """By all streams together; each keeps its own part."""
        self.readers: Final = asyncio.Semaphore(bounds.readers_max)
        self._now_s = now_s
        self._worked_s = worked_s
        self._audiences: dict[str | None, Audience] = {}
        """By seller; None: those who want all entries."""
        self._arrived: deque[_Arrival] = deque()
        """Not encoded yet."""
        self._arrived_entries = 0
        self._waiting: OrderedDict[Audience, None] = OrderedDict()
        """Those with frames, for the next round."""
        self._waiting_frames = 0
        self._something: Final = asyncio.Event()

    @property
    def undelivered(self) -> int:
        """Entries that are wanted and not encoded yet, and the frames of each audience that were not passed on yet."""
        return self._arrived_entries + self._waiting_frames

    # --- told by the committer ---

    def committed(self, before: int, after: int, submissions: Sequence[Submission]) -> None:
        """The entries of these submissions are durable, at positions `before + 1` to `after`."""
        is_continued = before == self.position
        self.position = after
        if not self._audiences:
            return
        try:
            if is_continued:
                self._take_in(before, submissions)
            else:
                self._lose_track()
        except Exception:
            self._met_a_bug()

    def _take_in(self, before: int, submissions: Sequence[Submission]) -> None:
        audiences = self._audiences
        is_all_wanted = None in audiences
        for submission in submissions:
            entries = submission.entries
            if entries:
                if is_all_wanted or submission.seller_id in audiences:
                    self._arrive(before, entries, cast(Envelope, submission).actor.account.currency)
                before += len(entries)
        if not self._arrived:
            return
        if self.undelivered > self.bounds.undelivered_max:
            self._lose_track()
            return
        if self._arrived_entries <= self.bounds.at_once_max:
            while self._arrived:
                self._encode_next()
        self._something.set()

    def _arrive(self, before: int, entries: tuple[Entry, ...], currency: str) -> None:
        self._arrived_entries += len(entries)
        together_max = self.bounds.encoded_together_max
        if len(entries) <= together_max:
            self._arrived.append((before, entries, currency))
            return
        for begin in range(0, len(entries), together_max):
            self._arrived.append((before + begin, entries[begin : begin + together_max], currency))

    def _met_a_bug(self) -> None:
        """A bug with one entry must not silence all streams: each falls back to reading the journal."""
        log.exception("feed_failed")
        self._lose_track()

    def _lose_track(self) -> None:
        """The committer began again at another position than where it ended, or the rounds do not keep up. Streams read
        from the journal what they were not passed."""
        self._arrived.clear()
        self._arrived_entries = 0
        while self._waiting:
            self._taken(self._waiting.popitem()[0])
        for audience in list(self._audiences.values()):
            for stream in list(audience.streams):
                stream.fall_behind()

    # --- asked by the streams ---

    def join(self, stream: Stream) -> int:
        """The position after which everything will be passed on."""
        self._audiences.setdefault(stream.seller_id, Audience()).streams.add(stream)
        return self.position

    def leave(self, stream: Stream) -> None:
        audience = self._audiences.get(stream.seller_id)
        if audience is not None:
            audience.streams.discard(stream)
            if not audience.streams:
                del self._audiences[stream.seller_id]

    # --- rounds ---

    async def run(self) -> None:
        """Until cancelled."""
        bounds = self.bounds
        rested_at, rested_worked = self._now_s(), self._worked_s()
        while True:
            await self._something.wait()
            self._something.clear()
            # Of the time since the last round. A loop that has little to do can be disturbed.
            busy = (self._worked_s() - rested_worked) / max(self._now_s() - rested_at, 1e-9)
            delivering_s = 0.0
            try:
                await self._encode_arrived(self._slices())
                delivering = self._slices()
                await self._deliver(delivering)
                delivering_s = delivering.total_s
            except Exception:
                self._met_a_bug()
            rested_at, rested_worked = self._now_s(), self._worked_s()
            await asyncio.sleep(min(delivering_s * (1 / bounds.share - 1), bounds.pause_max_s) * min(busy, 1.0))

    def _slices(self) -> "_Slices":
        return _Slices(self.bounds.slice_s, self._now_s, self._worked_s)

    async def _encode_arrived(self, slices: "_Slices") -> None:
        """Only what has arrived by now: what arrives meanwhile must not delay its delivery."""
        for _ in range(len(self._arrived)):
            if not self._arrived:  # Track was lost in a pause.
                break
            self._encode_next()
            if slices.is_over:
                await slices.pause()

    def _encode_next(self) -> None:
        before, entries, currency = self._arrived.popleft()
        self._arrived_entries -= len(entries)
        seller_id = entries[0].seller_id
        found = (self._audiences.get(seller_id), self._audiences.get(None))
        wanted_by = [audience for audience in found if audience is not None]
        if not wanted_by:  # The last stream has left meanwhile.
            return
        frames = [(position, frame(entry, position, currency)) for position, entry in enumerate(entries, before + 1)]
        for audience in wanted_by:
            audience.frames += frames
            self._waiting[audience] = None
            self._waiting_frames += len(frames)

    async def _deliver(self, slices: "_Slices") -> None:
        """To the audiences that have frames by now; one that gets more meanwhile is served again in the next round."""
        for _ in range(len(self._waiting)):
            if not self._waiting:  # Track was lost in a pause.
                break
            audience = self._waiting.popitem(last=False)[0]
            for block in blocks_of(self._taken(audience), self.bounds.block_bytes_max):
                for stream in list(audience.streams):
                    stream.pass_on(block)
                    if slices.is_over:
                        await slices.pause()

    def _taken(self, audience: Audience) -> list[tuple[int, bytes]]:
        """The frames that have waited."""
        frames, audience.frames = audience.frames, []
        self._waiting_frames -= len(frames)
        return frames


class _Slices:
    """Work in slices, after each of which others have the event loop for a turn."""

    def __init__(self, slice_s: float, now_s: Callable[[], float], worked_s: Callable[[], float]) -> None:
        self._slice_s = slice_s
        self._now_s = now_s
        self._worked_s = worked_s
        self._before_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._began_at = self._now_s()
        self._worked_at = self._worked_s()

    @property
    def is_over(self) -> bool:
        return self._now_s() - self._began_at > self._slice_s

    @property
    def total_s(self) -> float:
        """Of this thread's own time: without the turns of the others, and without those of other processes."""
        return self._before_s + self._worked_s() - self._worked_at

    async def pause(self) -> None:
        self._before_s = self.total_s
        await asyncio.sleep(0)
        self._begin()
