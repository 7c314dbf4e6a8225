"""The register of open streams: how many there may be, what each must hear, and the end of all.

One task looks after all streams, so that an idle one costs no timer of its own. A stream ends when its client has
gone, when its credential is no longer in force, and when this instance drains or does not lead any more: whoever
comes again then is told by the status of the answer whom to ask.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.events.bounds import Bounds
from service.events.stream import Stream
from service.problems import Problem, ProblemCode

TURN: Final = 256
"""Streams looked after before others have the event loop: half a millisecond."""


class Register:
    """`run` it as a task."""

    def __init__(self, must_end: Callable[[], bool], bounds: Bounds) -> None:
        self.bounds = bounds
        self.open = 0
        self._must_end = must_end
        self._streams: dict[Stream, None] = {}
        self._of_user: Counter[str] = Counter()

    @contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """Room for one more stream of the user. Raises a Problem when there is none."""
        if self._of_user[user_id] >= self.bounds.streams_per_user_max:
            # Not `rate_limited`: that says of a seller that thousands of its commands are in flight.
            raise Problem(ProblemCode.OVERLOADED, "This user has too many streams open.")
        if self.open >= self.bounds.streams_max:
            raise Problem(ProblemCode.OVERLOADED, "Too many streams are open.")
        self.open += 1
        self._of_user[user_id] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._of_user[user_id] -= 1
            if not self._of_user[user_id]:
                del self._of_user[user_id]

    async def serve(self, stream: Stream) -> None:
        """Returns when the stream is over."""
        self._streams[stream] = None
        try:
            stream.begin()
            await stream.over
        finally:
            stream.end()
            del self._streams[stream]

    async def run(self) -> None:
        """Until cancelled; then no stream is left open."""
        try:
            while True:
                await asyncio.sleep(self.bounds.watch_every_s)
                if self._must_end():
                    self.end_all()
                for number, stream in enumerate(list(self._streams), 1):
                    stream.look_after()
                    if number % TURN == 0:
                        await asyncio.sleep(0)
        finally:
            self.end_all()

    def end_all(self) -> None:
        for stream in list(self._streams):
            stream.end()
