"""What is measured of each request, kept for the report; and a window on the last seconds, for the display."""

import time
from collections import Counter, deque
from typing import Final

from msgspec import Struct

from loadtest.harness.mix import Operation
from loadtest.history import Outcome

WINDOW_NS: Final = 2_000_000_000
WINDOW_SAMPLES_MAX: Final = 20_000


class Sample(Struct, frozen=True, gc=False):
    """One request. Times are monotonic nanoseconds; the latency that counts is from `due_ns`."""

    operation: Operation
    due_ns: int
    sent_ns: int
    answered_ns: int
    outcome: Outcome
    code: str
    """Of what was not done: `402 insufficient_credit`, `no answer`."""

    @property
    def latency_ms(self) -> float:
        return (self.answered_ns - self.due_ns) / 1e6


class Measurements:
    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.not_sent_ns: list[int] = []
        """When each was due that found no room in flight."""
        self.sent = 0
        self.counts: Counter[Outcome] = Counter()
        self.late_ns = 0
        """For how long something was due that the client, being busy, had not sent."""
        self.begin_ns = 0
        self.end_ns = 0
        """When the last request was due, or the load was stopped; answers come later."""
        self._window: deque[Sample] = deque(maxlen=WINDOW_SAMPLES_MAX)

    def note(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.counts[sample.outcome] += 1
        self._window.append(sample)

    @property
    def offered_s(self) -> float:
        """For how long load was offered."""
        return max(self.end_ns - self.begin_ns, 1) / 1e9

    def now(self) -> tuple[float, float, float]:
        """Answers per second, and the median and 99th percentile of their latency (ms), of the last seconds."""
        now_ns = time.monotonic_ns()
        while self._window and self._window[0].answered_ns < now_ns - WINDOW_NS:
            self._window.popleft()
        if not self._window:
            return 0.0, 0.0, 0.0
        ordered = sorted(sample.latency_ms for sample in self._window)
        span_ns = max(now_ns - max(self._window[0].answered_ns, now_ns - WINDOW_NS), 1)
        return len(ordered) / (span_ns / 1e9), percentile(ordered, 50), percentile(ordered, 99)


def percentile(ordered: list[float], percent: float) -> float:
    """Of values in order: the smallest that so many percent do not exceed."""
    if not ordered:
        return 0.0
    place = -(-len(ordered) * percent // 100)
    return ordered[max(int(place) - 1, 0)]
