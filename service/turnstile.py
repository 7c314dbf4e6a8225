"""The turnstile: how many requests of sellers begin in one turn of the event loop, and whose are next.

    enter -> begins at once, while the turn has room
          -> waits in its seller's lane; each turn lets in one request of each lane, round-robin, until it is full
          -> is refused, when its lane is full or too many wait altogether

A turn is short, so the sockets are soon read again, and a seller with one request waits for no more than a turn or two,
however many another has sent. Nobody is let in while many entries are on their way into the journal: the journal's
queue is first come, first served, so whoever joined it would wait behind all that a flood has put there. Requests that
make no entries have a turnstile of their own, so that neither a flood of charges nor a journal that stands still holds
them up. (But a seller with entries on their way is shown nothing before those are durable.) A request that waits here
costs memory and no work, and has not been decided.

A refusal costs almost as much as a charge, and a refused client comes back at once: refusals must not take the time in
which others are served. So they are given out slowly, in proportion to what is let in; a few more in a turn after two
seconds; and at once when thousands wait to be refused already.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from actors.directory import Overloaded, RateLimited

ENTRIES_PER_TURN: Final = 64
"""About 4 ms of work, and flushes that are large enough to be cheap."""
ENTRIES_PER_REFUSAL: Final = 16
"""One request is refused for so many entries let in, and at least one in each turn."""
REFUSAL_WAIT_S: Final = 2.0
"""How long a refusal is put off, about, before they are given out faster."""
REFUSALS_PER_TURN_MAX: Final = 8
"""So many once they are late. Thousands may come at one moment, and so be late at one, and an atomic batch lets in
thousands of entries: all refusals at once would hold up the others."""
REFUSALS_MAX: Final = 2_000
"""When so many wait to be refused, the next is refused at once."""
ON_THEIR_WAY_MAX: Final = 512
"""Entries not yet durable, and answers to them, beyond which nobody is let in: the flush under way and the next one,
of 128 single charges each, or of a part of a batch each."""
_LOOK_AGAIN_S: Final = 0.004
"""When nobody could be let in, and nothing became durable either: refusals go on meanwhile."""

Refused = type[RateLimited] | type[Overloaded]
_Wait = asyncio.Future[Refused | None]
_Lane = deque[tuple[_Wait, int]]
"""Who waits, and how many entries they stand for."""


class Turnstile:
    """Made in a running event loop."""

    def __init__(self, *, lane_max: int, waiting_max: int, on_their_way: Callable[[], int]) -> None:
        """`lane_max` requests of one seller and `waiting_max` of all may wait; `on_their_way` tells how many entries
        are not durable yet, and how many answers wait for them."""
        self._loop = asyncio.get_running_loop()
        self._lane_max = lane_max
        self._waiting_max = waiting_max
        self._on_their_way = on_their_way
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        """Of sellers who have requests waiting; the next to be let in is the first of the first lane."""
        self._refusals: deque[tuple[float, _Wait, Refused]] = deque()
        """Those who wait to be told so, and until when at most."""
        self._given = self._room = ENTRIES_PER_TURN
        """How many entries may begin in this turn, and how many still may; none is left while anybody waits."""
        self._is_turning = False
        self._look_again: asyncio.TimerHandle | None = None
        """Set while nobody can be let in: then there are no turns."""
        self.waiting = 0

    def enter(self, seller_id: str) -> _Wait | None:
        """None: go on. Otherwise a future to await, whose result is None (go on) or the class of the refusal to raise.

        The result is not set as an exception: its traceback would refer to the frame that refers to the future, a cycle
        that keeps the request until the garbage collector runs, so that a flood would fill the memory with refusals.
        Raises RateLimited or Overloaded itself when too many wait to be refused."""
        if not self._is_turning:
            self._begin_to_turn()
        if self._room > 0:
            self._room -= 1
            return None
        lane = self._lanes.get(seller_id)
        if lane is not None and len(lane) >= self._lane_max:
            return self._refused(RateLimited)
        if self.waiting >= self._waiting_max:
            return self._refused(Overloaded)
        return self._lined_up(seller_id, 1)

    async def turn(self, seller_id: str, entries: int) -> None:
        """Waits for another turn of a request that was let in before and has more to do. It is never refused."""
        if not self._is_turning:
            self._begin_to_turn()
        if self._room > 0:
            self._room -= entries
        else:
            await self._lined_up(seller_id, entries)

    def fewer_on_their_way(self) -> None:
        """To be called when entries have become durable: who waits for that alone is let in with the next turn."""
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
            self._loop.call_soon(self._turn)

    @property
    def being_refused(self) -> int:
        return len(self._refusals)

    def _begin_to_turn(self) -> None:
        self._is_turning = True
        self._loop.call_soon(self._turn)

    def _lined_up(self, seller_id: str, entries: int) -> _Wait:
        wait: _Wait = self._loop.create_future()
        self._lanes.setdefault(seller_id, deque()).append((wait, entries))
        self.waiting += 1
        return wait

    def _refused(self, refused: Refused) -> _Wait:
        if len(self._refusals) >= REFUSALS_MAX:
            raise refused
        wait: _Wait = self._loop.create_future()
        self._refusals.append((self._loop.time() + REFUSAL_WAIT_S, wait, refused))
        return wait

    def _turn(self) -> None:
        """The next turn of the event loop has begun."""
        self._look_again = None
        nobody_came = self._room == self._given and not self._lanes and not self._refusals
        self._given = self._room = min(ENTRIES_PER_TURN, max(0, ON_THEIR_WAY_MAX - self._on_their_way()))
        while self._room > 0 and self._lanes:
            self._let_in()
        self._refuse(min(REFUSALS_PER_TURN_MAX, max(1, (self._given - self._room) // ENTRIES_PER_REFUSAL)))
        if nobody_came:
            self._is_turning = False
        elif self._given:
            self._loop.call_soon(self._turn)
        else:
            self._look_again = self._loop.call_later(_LOOK_AGAIN_S, self._turn)

    def _let_in(self) -> None:
        seller_id, lane = next(iter(self._lanes.items()))
        wait, entries = lane.popleft()
        self.waiting -= 1
        if lane:
            self._lanes.move_to_end(seller_id)
        else:
            del self._lanes[seller_id]
        if not wait.done():  # Its client may have gone.
            wait.set_result(None)
            self._room -= entries

    def _refuse(self, count: int) -> None:
        """Refuses `count` of those who wait for it; more once the oldest has waited its time."""
        if self._refusals and self._refusals[0][0] <= self._loop.time():
            count = REFUSALS_PER_TURN_MAX
        while self._refusals and count > 0:
            _, wait, refused = self._refusals.popleft()
            if not wait.done():
                wait.set_result(refused)
                count -= 1
