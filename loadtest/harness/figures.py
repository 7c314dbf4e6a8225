"""The figures of a load, for the report and the last words on the terminal: pure, from what was measured."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from loadtest.harness.driver import LATE_NS
from loadtest.harness.measurements import Measurements, Sample, percentile
from loadtest.harness.mix import Operation
from loadtest.history import Outcome

PERCENTS: Final = (50.0, 90.0, 99.0, 99.9)
POINTS_MAX: Final = 240
"""Of a curve over time: a longer load has longer intervals."""


class Latency(Struct, frozen=True):
    """Milliseconds, of what was answered."""

    count: int
    percentiles: tuple[float, ...]
    """At PERCENTS."""
    highest: float


class Interval(Struct, frozen=True):
    """A stretch of time. Counts are per second."""

    begin_s: float
    offered: float
    """Requests that were due in it."""
    answered: float
    outcomes: dict[Outcome, float]
    not_sent: float
    latency: Latency
    """Of what was due in it: a request that waits long counts where it was due, not where it was answered."""


class Figures(Struct, frozen=True):
    seconds: float
    """For how long load was offered."""
    sent: int
    not_sent: int
    answered_per_s: float
    outcomes: dict[Outcome, int]
    codes: list[tuple[str, Operation, int]]
    """What was not done, most frequent first."""
    latency: Latency
    from_sending: Latency
    """As if only the service's time counted, and not that of the client which was late: for comparison."""
    by_operation: dict[Operation, Latency]
    done_by_operation: dict[Operation, int]
    intervals: list[Interval]
    interval_s: float
    late_share: float
    """Of the time, how much the client had something due that it had not sent."""
    lag: Latency
    """From when requests were due to when they were sent."""


def figures_of(measurements: Measurements) -> Figures:
    samples = measurements.samples
    answered = [sample for sample in samples if sample.outcome is not Outcome.UNKNOWN or sample.code != "no answer"]
    seconds = measurements.offered_s
    outcomes = Counter(sample.outcome for sample in samples)
    codes = Counter((sample.code, sample.operation) for sample in samples if sample.code)
    of_operation: dict[Operation, list[Sample]] = defaultdict(list)
    for sample in samples:
        of_operation[sample.operation].append(sample)
    interval_s = max(seconds / POINTS_MAX, 0.25 if seconds < 30 else 1.0)
    return Figures(
        seconds=seconds,
        sent=measurements.sent,
        not_sent=len(measurements.not_sent_ns),
        answered_per_s=len(answered) / _span_s(measurements, answered),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        codes=[(code, operation, count) for (code, operation), count in codes.most_common()],
        latency=_latency(sample.latency_ms for sample in answered),
        from_sending=_latency((sample.answered_ns - sample.sent_ns) / 1e6 for sample in answered),
        by_operation={each: _latency(s.latency_ms for s in of_operation[each]) for each in Operation},
        done_by_operation={
            each: sum(sample.outcome is Outcome.DONE for sample in of_operation[each]) for each in Operation
        },
        intervals=_intervals(measurements, interval_s),
        interval_s=interval_s,
        late_share=min(measurements.late_ns / 1e9 / seconds, 1.0),
        lag=_latency((sample.sent_ns - sample.due_ns) / 1e6 for sample in samples),
    )


def is_client_late(figures: Figures) -> bool:
    """Whether the client was so late that its own limits, and not the service's, may be what was measured."""
    return figures.late_share > 0.05 or figures.lag.percentiles[2] > 5 * LATE_NS / 1e6


def _span_s(measurements: Measurements, answered: Sequence[Sample]) -> float:
    """Until the last answer, if that came after the last request was due: else overload would look like speed."""
    last_ns = max((sample.answered_ns for sample in answered), default=0)
    return max(last_ns - measurements.begin_ns, measurements.end_ns - measurements.begin_ns, 1) / 1e9


def _latency(values: Iterable[float]) -> Latency:
    ordered = sorted(values)
    percentiles = tuple(percentile(ordered, percent) for percent in PERCENTS)
    return Latency(len(ordered), percentiles, ordered[-1] if ordered else 0.0)


def _intervals(measurements: Measurements, interval_s: float) -> list[Interval]:
    """Whole ones only: the last, in which little was due, would look like a fall."""
    begin_ns, width_ns = measurements.begin_ns, interval_s * 1e9

    def place(at_ns: int) -> int:
        return int((at_ns - begin_ns) / width_ns)

    due: dict[int, list[float]] = defaultdict(list)
    outcomes: dict[int, Counter[Outcome]] = defaultdict(Counter)
    answered: Counter[int] = Counter()
    for sample in measurements.samples:
        due[place(sample.due_ns)].append(sample.latency_ms)
        outcomes[place(sample.answered_ns)][sample.outcome] += 1
        answered[place(sample.answered_ns)] += sample.code != "no answer"
    not_sent = Counter(place(at_ns) for at_ns in measurements.not_sent_ns)
    count = max(int(measurements.offered_s / interval_s), 1)
    return [
        Interval(
            begin_s=index * interval_s,
            offered=(len(due[index]) + not_sent[index]) / interval_s,
            answered=answered[index] / interval_s,
            outcomes={outcome: outcomes[index][outcome] / interval_s for outcome in Outcome},
            not_sent=not_sent[index] / interval_s,
            latency=_latency(due[index]),
        )
        for index in range(count)
    ]
