"""The driver: sends what the schedule says when it is due, whatever has become of what was sent before.

An open loop, so that a service that stands still for a second is charged with every request that would have come in
that second: latency counts from the moment at which a request was due. Only so many are in flight; who finds no room
is not sent at all and counted as that, rather than sent late. Without a rate the loop is closed: so many are always
in flight, and a request is due when there is room for it.
"""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from loadtest.harness.customers import Asking, Customers, events_of
from loadtest.harness.measurements import Measurements, Sample
from loadtest.harness.response import Answer
from loadtest.harness.schedule import Arrival, Load, schedule
from loadtest.harness.wire import Wire
from loadtest.history import Event, History, Outcome

SENT_AT_ONCE_MAX: Final = 64
"""Before answers are looked at again: a client that has fallen behind must not stop listening."""
LATE_NS: Final = 2_000_000
"""From which on the client is late: timers of the event loop have the grain of a millisecond."""


class Driver:
    def __init__(
        self,
        load: Load,
        customers: Customers,
        wire: Wire,
        history: History,
        *,
        in_flight_max: int,
        requests_max: int,
    ) -> None:
        """`in_flight_max`: of a closed loop, how many are in flight at any time. `requests_max`: then it ends."""
        self.measurements = Measurements()
        self.in_flight = 0
        self._load = load
        self._customers = customers
        self._wire = wire
        self._history = history
        self._in_flight_max = in_flight_max
        self._requests_max = requests_max
        self._arrivals: Iterator[Arrival] = schedule(load)
        self._next: Arrival | None = None
        self._over: asyncio.Future[None]
        """Done when nothing more is sent, and nothing is in flight."""
        self._end_ns = 0
        self._is_stopped = False
        self._seen_late_ns = 0

    @property
    def elapsed_s(self) -> float:
        return (time.monotonic_ns() - self.measurements.begin_ns) / 1e9 if self.measurements.begin_ns else 0.0

    async def run(self) -> None:
        """Returns when everything that was sent is answered, or given up."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        # What is called back by the loop has nobody else who would see it fail.
        loop.set_exception_handler(self._fail)
        try:
            await self._offer()
        finally:
            loop.set_exception_handler(None)

    async def _offer(self) -> None:
        self.measurements.begin_ns = time.monotonic_ns()
        self._end_ns = self.measurements.begin_ns + round(self._load.duration_s * 1e9)
        self._next = next(self._arrivals, None)
        if self._load.rate is None:
            for _ in range(self._in_flight_max):
                self._send_next()
        else:
            self._send_due()
        await self._over

    def stop(self) -> None:
        """Sends nothing more; `run` returns once what is in flight is over."""
        if not self._is_stopped:
            self._is_stopped = True
            self.measurements.end_ns = time.monotonic_ns()
        if not self.in_flight:
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if fault is None:
            loop.default_exception_handler(context)
        elif not self._over.done():
            self._over.set_exception(fault)

    # --- open loop ----------------------------------------------------------------------------------------

    def _send_due(self) -> None:
        measurements, begin_ns = self.measurements, self.measurements.begin_ns
        now_ns = time.monotonic_ns()
        if self._next is not None and now_ns - begin_ns - self._next.due_ns > LATE_NS:
            measurements.late_ns += now_ns - max(begin_ns + self._next.due_ns, self._seen_late_ns)
            self._seen_late_ns = now_ns
        for _ in range(SENT_AT_ONCE_MAX):
            arrival = self._next
            if self._is_stopped or arrival is None or measurements.sent >= self._requests_max:
                self.stop()
                return
            due_ns = begin_ns + arrival.due_ns
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                asyncio.get_running_loop().call_later(wait_ns / 1e9, self._send_due)
                return
            if self.in_flight >= self._in_flight_max:
                measurements.not_sent_ns.append(due_ns)
            else:
                self._send(self._customers.asking(arrival), due_ns)
            self._next = next(self._arrivals, None)
        asyncio.get_running_loop().call_soon(self._send_due)

    # --- closed loop --------------------------------------------------------------------------------------

    def _send_next(self) -> None:
        now_ns = time.monotonic_ns()
        if self._is_stopped or now_ns >= self._end_ns or self.measurements.sent >= self._requests_max:
            self.stop()
            return
        arrival = next(self._arrivals)
        self._send(self._customers.asking(arrival), now_ns)

    # --- both ---------------------------------------------------------------------------------------------

    def _send(self, asking: Asking, due_ns: int) -> None:
        self.in_flight += 1
        self.measurements.sent += 1
        self._wire.send(asking.message, partial(self._answered, asking, due_ns, time.monotonic_ns()))

    def _answered(self, asking: Asking, due_ns: int, sent_ns: int, answer: Answer | None, answered_ns: int) -> None:
        events = events_of(asking, sent_ns, answered_ns, answer)
        for event in events:
            self._history.note(event)
        outcome, code = _told(events, answer)
        self.measurements.note(Sample(asking.operation, due_ns, sent_ns, answered_ns, outcome, code))
        self.in_flight -= 1
        then = self._customers.answered(asking, events)
        if then is not None:
            self._send(then, answered_ns)
        elif self._load.rate is None:
            # Not within this call: a request that fails at once would call it again, and so on.
            asyncio.get_running_loop().call_soon(self._send_next)
        elif self._is_stopped and not self.in_flight:
            self._end()


def _told(events: tuple[Event, ...], answer: Answer | None) -> tuple[Outcome, str]:
    """Of the request as a whole: a batch that was accepted is done, whatever became of each of its charges."""
    first = events[0]
    if first.is_of_batch:
        return Outcome.DONE, ""
    if answer is None:
        return Outcome.UNKNOWN, "no answer"
    outcome = first.outcome
    return outcome, "" if outcome is Outcome.DONE else f"{answer.status} {first.code or ''}".strip()
