"""One client's stream: from the journal up to where it joins the feed, then what the feed passes on.

    behind --- reads the journal; when it is near, joins the feed at `target` and reads up to there ---> flowing
    flowing: the feed writes to the outlet, a plain step, no task
    flowing --- outlet full ---> held: blocks are kept, and written as the outlet drains ---> flowing
    held --- too much of it ---> behind: what was kept is dropped, to be read from the journal

What holds:
    `sent` is the position up to which everything that the client wants was written, in order, once;
    what the feed passes on up to `target` is left out, since the journal has it; everything after it is written
    or held, and there is nothing between;
    nothing is written without the permit.

Whatever has to be waited for is waited for by a task, the *worker*; while there is one the feed's blocks are held.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from journal.reader import PostedEntry
from journal.store import JournalUnavailable
from service.events.blocks import Block, blocks_of
from service.events.frames import HEARTBEAT, frame, greeting
from service.events.outlet import Outlet
from service.events.permit import Permit

if TYPE_CHECKING:
    from service.events.feed import Feed

log = logging.getLogger(__name__)

Pages: TypeAlias = Callable[[int, str | None, int], Awaitable[list[PostedEntry]]]
"""Entries after a position, of a seller or of all, at most so many, oldest first."""

RETRY_S: Final = 0.5
"""After which the journal, or the database of credentials, is asked again."""
DRAIN_STEP_S: Final = 0.5
"""How long a full outlet is waited for before the permit is looked at again."""


class Stream:
    def __init__(
        self,
        feed: "Feed",
        pages: Pages,
        outlet: Outlet,
        permit: Permit,
        seller_id: str | None,
        sent: int,
    ) -> None:
        """`seller_id`: whose entries; None for all. `sent`: the position that it begins after."""
        self.seller_id: Final = seller_id
        self.over: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self._feed = feed
        self._pages = pages
        self._outlet = outlet
        self._permit = permit
        self._bounds: Final = feed.bounds
        self._sent = sent
        self._target = sent
        self._is_joined = False
        self._held: deque[tuple[int, bytes]] = deque()
        """Blocks, and the positions of their last entries."""
        self._held_bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self._clock: Final = asyncio.get_running_loop().time
        self._written_at = 0.0

    def begin(self) -> None:
        self._write(greeting(self._sent))
        self._work()

    # --- told by the feed, all plain steps ---

    def pass_on(self, block: Block) -> None:
        if not self._is_joined or block.last <= self._target:
            return
        data = block.after(self._target)
        if self._worker is None and self._permit.holds():
            self._write(data)
            self._sent = block.last
        else:
            self._hold(block.last, data)
            self._work()

    def fall_behind(self) -> None:
        """Lets go of what the feed has passed on and will pass on, to read it from the journal."""
        self._feed.leave(self)
        self._is_joined = False
        self._drop_held()
        self._work()

    # --- told by the register ---

    def look_after(self) -> None:
        """From time to time: is there still a client, may it listen, must it hear something?"""
        if self._outlet.is_gone:
            self.end()
        elif not self._permit.holds():
            self._work()
        elif self._clock() - self._written_at >= self._bounds.heartbeat_s and not self._outlet.is_full:
            self._write(HEARTBEAT)

    def end(self) -> None:
        """The client may come again, and goes on where it was."""
        if self.over.done():
            return
        self.over.set_result(None)
        self._feed.leave(self)
        self._is_joined = False
        self._drop_held()
        if self._worker is not None:
            self._worker.cancel()
        if self._outlet.is_full:  # Nobody waits until it has taken the rest.
            self._outlet.cut()

    # --- writing ---

    def _write(self, data: bytes) -> None:
        self._outlet.write(data)
        self._written_at = self._clock()
        if self._outlet.is_full:
            self._work()

    def _hold(self, last: int, data: bytes) -> None:
        feed, bounds = self._feed, self._bounds
        self._held.append((last, data))
        self._held_bytes += len(data)
        feed.held_bytes += len(data)
        if self._held_bytes > bounds.held_bytes_max or feed.held_bytes > bounds.held_by_all_bytes_max:
            self.fall_behind()

    def _drop_held(self) -> None:
        self._feed.held_bytes -= self._held_bytes
        self._held_bytes = 0
        self._held.clear()

    # --- the worker ---

    def _work(self) -> None:
        if self._worker is None and not self.over.done():
            self._worker = asyncio.get_running_loop().create_task(self._until_it_flows())
            self._worker.add_done_callback(self._worked)

    def _worked(self, worker: "asyncio.Task[None]") -> None:
        """Nothing dies silently: a bug in the work ends the stream, and the log has its name."""
        bug = None if worker.cancelled() else worker.exception()
        if bug is not None:
            log.error("event_stream_broken", exc_info=bug)
            self.end()

    async def _until_it_flows(self) -> None:
        """One thing at a time, and the permit looked at before each."""
        try:
            while not self.over.done():
                if self._outlet.is_gone:
                    self.end()
                elif not self._permit.holds():
                    await self._ask()
                elif self._outlet.is_full:
                    await self._outlet.drained(DRAIN_STEP_S)
                elif not self._is_joined and self._feed.position - self._sent > self._bounds.near:
                    self._target = self._feed.position
                    await self._read()
                elif not self._is_joined:
                    # Everything after this moment is passed on and held, everything before it is in the journal.
                    self._is_joined = True
                    self._target = self._feed.join(self)
                elif self._sent < self._target:
                    await self._read()
                elif self._held:
                    self._write_held()
                else:
                    return
        finally:
            # In the same step as the decision that there is nothing to do: what comes now is not held any more.
            self._worker = None

    async def _ask(self) -> None:
        is_in_force = await self._permit.ask()
        if is_in_force is None:
            await asyncio.sleep(RETRY_S)
        elif not is_in_force:
            self.end()

    async def _read(self) -> None:
        """The next page of the journal, up to the target."""
        try:
            async with self._feed.readers:
                page = await self._pages(self._sent, self.seller_id, self._bounds.page_max)
        except JournalUnavailable:
            await asyncio.sleep(RETRY_S)
            return
        frames = [
            (posted.position, frame(posted.entry, posted.position, posted.currency))
            for posted in page
            if posted.position <= self._target
        ]
        for block in blocks_of(frames, self._bounds.block_bytes_max):
            if self._outlet.is_full or not self._permit.holds():
                return  # What is left of the page is read again, rather than kept.
            self._write(block.data)
            self._sent = block.last
        if len(frames) < self._bounds.page_max:
            # There is no more up to the target: all of that was durable before it was asked for.
            self._sent = self._target

    def _write_held(self) -> None:
        last, data = self._held.popleft()
        self._held_bytes -= len(data)
        self._feed.held_bytes -= len(data)
        self._write(data)
        self._sent = last
