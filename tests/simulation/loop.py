"""A seeded event loop in virtual time: one thread, no sockets, no clock but its own.

Everything that runs belongs to a *process*: an instance of the service, the database, or the world of clients.
A handle's context names its process, and contexts are inherited by tasks and callbacks, so a process can be
frozen as SIGSTOP would do it (time goes on, what is due waits) and killed (nothing of it ever runs again).

What order is possible, and so allowed here:

* between processes, any: the seed picks which process runs next;
* within a process asyncio promises that `call_soon` is first in, first out. Most seeds keep to that. The others
  are *shuffled*: any ready handle may be next. A real loop does not do that, but the core says of itself that
  its steps are synchronous and relies on no order of wake-ups, so it has to survive it. What a shuffled seed
  finds is at best an accident waiting for one more `await`. Nothing that the core does not do itself is
  reordered: the effects of one handle are always in the order in which it caused them;
* timers never fire early, those of the same moment in any order;
* when nothing is ready, time jumps to the next timer. And since a busy machine needs time too, the loop is
  *held up* now and then: time passes although something is ready, so arrivals fall between any two steps of a
  cascade.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import Any, Final

HELD_UP_MAX_S: Final = 0.05
"""The loop is not held up for longer than this: a longer stop is a frozen process."""
STEPS_MAX: Final = 300_000
"""A seed needs a few thousand steps; one that needs so many goes round in circles."""
TIMERS_PER_STEP_MAX: Final = 10_000
"""A step sets a few timers; one that sets so many never comes to its end."""


class Process:
    """Something that runs by itself, and can be frozen or killed as a whole."""

    __slots__ = ("context", "is_dead", "is_frozen", "name", "ready")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.is_frozen = False
        self.is_dead = False
        self.context = contextvars.Context()
        self.context.run(_PROCESS.set, self)


_PROCESS: Final[contextvars.ContextVar[Process]] = contextvars.ContextVar("process")


class Deadlock(Exception):
    """Nothing is ready and no timer is set: whoever waits now waits for ever."""


class Livelock(Exception):
    """The simulation does not come to an end."""


class Reply(asyncio.Future[Any]):
    """A future that knows when it was settled, which whoever waits for it may learn much later."""

    settled = 0
    """Its number among all that were settled."""

    def set_result(self, result: Any) -> None:
        self.settled = self.get_loop().next_settled()  # type: ignore[attr-defined]
        super().set_result(result)

    def set_exception(self, exception: type | BaseException) -> None:
        self.settled = self.get_loop().next_settled()  # type: ignore[attr-defined]
        super().set_exception(exception)


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs one seed. `steps` counts what was run: the order of all that happens, finer than time."""

    def __init__(self, random: Random, *, is_shuffled: bool, held_up_p: float) -> None:
        super().__init__()
        self.now = 0.0
        self.steps = 0
        self._timers_of_step = 0
        self.world = Process("world")
        self.processes = [self.world]
        self.tasks: list[asyncio.Task[Any]] = []
        """Kept until the end: what is left of a killed process must not be finalised in the middle of a run."""
        self._random = random.random
        self._is_shuffled = is_shuffled
        self._held_up_p = held_up_p
        self._timers: list[tuple[float, float, asyncio.TimerHandle]] = []
        self.next_settled = partial(next, count(1))
        """The next number in the order in which everything is settled, finer than steps."""

    def time(self) -> float:
        return self.now

    def add(self, process: Process) -> None:
        self.processes.append(process)

    def kill(self, process: Process) -> None:
        if not process.is_dead:
            process.is_dead = True
            process.ready.clear()
            self.processes.remove(process)

    # --- what asyncio asks of a loop ---

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self._timers_of_step += 1
        if self._timers_of_step > TIMERS_PER_STEP_MAX:
            raise Livelock
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, self._random(), handle))
        return handle

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        return Reply(loop=self)

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:  # type: ignore[override]
        raise AssertionError("no threads in a simulation")

    def run_in_executor(self, *args: Any, **options: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        raise AssertionError("no threads in a simulation")

    # --- one step after the other ---

    def _run_once(self) -> None:
        random, timers = self._random, self._timers
        while not self._stopping:  # type: ignore[attr-defined]
            runnable = [process for process in self.processes if process.ready and not process.is_frozen]
            if not runnable:
                if not self._advance(inf):
                    raise Deadlock
                continue
            if timers and random() < self._held_up_p and self._advance(self.now + HELD_UP_MAX_S):
                continue
            ready = (runnable[int(random() * len(runnable))] if len(runnable) > 1 else runnable[0]).ready
            if self._is_shuffled and len(ready) > 1:
                ready.rotate(-int(random() * len(ready)))
            handle = ready.popleft()
            if not handle._cancelled:
                self.steps += 1
                if self.steps > STEPS_MAX:
                    raise Livelock
                self._timers_of_step = 0
                handle._run()
                if self._timers_of_step > TIMERS_PER_STEP_MAX:
                    raise Livelock  # Again, for whoever was in the step may have caught it.

    def _advance(self, until: float) -> bool:
        """To the next timer; False when there is none until then."""
        timers = self._timers
        while timers and timers[0][0] <= until:
            when, _, handle = heappop(timers)
            if not handle._cancelled:
                self.now = max(self.now, when)
                self._make_ready(handle)
                return True
        return False

    def _make_ready(self, handle: asyncio.Handle) -> None:
        process: Process = handle._context.get(_PROCESS, self.world)  # type: ignore[attr-defined]
        if not process.is_dead:
            process.ready.append(handle)

    def bury(self) -> None:
        """Closes what is left over, so that nothing of this seed runs during the next one."""
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                # What awaits something while it is closed says so; its process was killed in the midst of it.
                with suppress(RuntimeError):
                    task.get_coro().close()
        for process in self.processes:
            process.ready.clear()
        self._timers.clear()
        self.close()
