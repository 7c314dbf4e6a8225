"""The turnstile: how many requests of sellers begin in one turn of the event loop, and whose are next.

    enter -> begins at once, while the turn has room
          -> waits in its seller's lane; each turn lets in one of every lane in turn, until it is full
          -> is refused, when its lane or the whole house is full

A turn is short, so whoever comes is read soon, and a seller with one request waits for no more than a turn or two,
however many another has sent. What waits here costs memory and no work, and has not been decided.

A refusal costs almost as much as a charge. Those who would ask again at once are therefore refused at the pace of
what is let in: telling clients to come back later must not take the time in which the others are served.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from actors.directory import Overloaded, RateLimited

ENTRIES_PER_TURN: Final = 64
"""About 6 ms of work, and flushes that are large enough to be cheap."""
REFUSALS_PER_TURN: Final = 4

_Lane = deque[asyncio.Future[None]]


class Turnstile:
    """Made in a running event loop."""

    def __init__(self, *, lane_max: int, waiting_max: int) -> None:
        """How many requests of one seller, and of all, may wait."""
        self._loop = asyncio.get_running_loop()
        self._lane_max = lane_max
        self._waiting_max = waiting_max
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        """Of sellers who have requests waiting; the next to be let in is the first of the first lane."""
        self._refusals: deque[tuple[asyncio.Future[None], Exception]] = deque()
        self._room = ENTRIES_PER_TURN
        """Left in this turn; none is left while anybody waits."""
        self._is_turning = False
        self.waiting = 0

    def enter(self, seller_id: str) -> asyncio.Future[None] | None:
        """None: go on. Else to be waited for; it may end in RateLimited or Overloaded, with nothing done."""
        if not self._is_turning:
            self._is_turning = True
            self._loop.call_soon(self._turn)
        if self._room:
            self._room -= 1
            return None
        wait: asyncio.Future[None] = self._loop.create_future()
        lane = self._lanes.get(seller_id)
        if lane is not None and len(lane) >= self._lane_max:
            self._refusals.append((wait, RateLimited()))
        elif self.waiting >= self._waiting_max:
            self._refusals.append((wait, Overloaded()))
        else:
            if lane is None:
                lane = self._lanes[seller_id] = deque()
            lane.append(wait)
            self.waiting += 1
        return wait

    def _turn(self) -> None:
        """The next turn of the event loop has begun."""
        was_idle = self._room == ENTRIES_PER_TURN and not self._refusals
        self._room = ENTRIES_PER_TURN
        while self._room and self._lanes:
            self._let_in()
        for _ in range(min(REFUSALS_PER_TURN, len(self._refusals))):
            wait, refusal = self._refusals.popleft()
            if not wait.done():
                wait.set_exception(refusal)
        if was_idle:
            self._is_turning = False
        else:
            self._loop.call_soon(self._turn)

    def _let_in(self) -> None:
        seller_id, lane = next(iter(self._lanes.items()))
        wait = lane.popleft()
        self.waiting -= 1
        if lane:
            self._lanes.move_to_end(seller_id)
        else:
            del self._lanes[seller_id]
        if not wait.done():  # Its client may have gone.
            wait.set_result(None)
            self._room -= 1
