"""What is said about the measurements: ratios within one round, their medians, and the bars. Pure."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, Literal

from msgspec import Struct

from loadtest.bench.open_loop import Latency
from loadtest.bench.workloads import Measurement

HALF: Final = 0.5
P99_BAR_MS: Final = 15.0


class Comparison(Struct, frozen=True):
    name: str
    title: str
    value: float
    """The median of the rounds."""
    rounds: list[float]
    unit: Literal["ratio", "ms"] = "ratio"
    bar: float | None = None
    """None: for information."""
    aim: float | None = None

    @property
    def is_met(self) -> bool | None:
        """A ratio must reach its bar, a time must not pass it."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.unit == "ratio" else self.value <= self.bar


class _Ratio(Struct, frozen=True):
    name: str
    title: str
    above: str
    below: str
    bar: float | None = None
    aim: float | None = None
    of: Callable[[Measurement], float | None] = lambda measurement: measurement.charges_per_s


_RATIOS: Final = (
    _Ratio("of_the_stack", "single charges / bare handler", "single", "bare", 0.55, 0.70),
    _Ratio(
        "cpu_of_the_stack",
        "CPU per request: bare handler / single charges",
        "bare",
        "single",
        0.55,
        0.70,
        of=lambda measurement: measurement.cpu_us,
    ),
    _Ratio("hot", "one hot seller / single charges", "hot", "single", 0.90),
    _Ratio("zipf", "Zipf / single charges", "zipf", "single"),
    _Ratio("without_keys", "without idempotency keys / with", "without_keys", "single"),
    _Ratio("holds", "holds, then captured / single charges", "holds", "single"),
    _Ratio("row_locks", "single charges / row locks", "single", "row_locks", 5),
    _Ratio("row_locks_hot", "one seller: single charges / row locks", "hot", "row_locks_hot", 10),
    _Ratio("batch_1000", "batches of 1,000 / single charges", "batch_1000", "single", 5),
    _Ratio("batch_10000", "batches of 10,000 / single charges", "batch_10000", "single", 5),
    _Ratio("copy_1000", "batches of 1,000 / COPY of their rows", "batch_1000", "copy_1000", 0.55),
    _Ratio("copy_10000", "batches of 10,000 / COPY of their rows", "batch_10000", "copy_10000", 0.55),
)


def compare(measurements: Sequence[Measurement], latencies: Sequence[Latency]) -> list[Comparison]:
    """Everything that can be said; what was not measured is left out."""
    comparisons = []
    for ratio in _RATIOS:
        above, below = _by_round(measurements, ratio.above), _by_round(measurements, ratio.below)
        rounds = []
        for number in sorted(above.keys() & below.keys()):
            dividend, divisor = ratio.of(above[number]), ratio.of(below[number])
            if dividend is not None and divisor:
                rounds.append(dividend / divisor)
        if rounds:
            comparisons.append(
                Comparison(ratio.name, ratio.title, median(rounds), rounds, bar=ratio.bar, aim=ratio.aim)
            )
    at_half = [latency.p99_ms for latency in latencies if latency.share_of_peak == HALF]
    if at_half:
        title = "p99 at half of the peak rate, open loop"
        comparisons.append(Comparison("p99_at_half", title, median(at_half), at_half, "ms", P99_BAR_MS))
    return comparisons


def rates_of(measurements: Sequence[Measurement], name: str) -> list[float]:
    """Charges per second, round by round."""
    return [measurement.charges_per_s for measurement in measurements if measurement.name == name]


def rate_of(measurements: Sequence[Measurement], name: str) -> float | None:
    """Median charges per second."""
    rates = rates_of(measurements, name)
    return median(rates) if rates else None


def medians(latencies: Sequence[Latency]) -> list[Latency]:
    """One for each share of the peak, of round 0: every figure is the median of the rounds."""
    found = []
    for share in sorted({latency.share_of_peak for latency in latencies}):
        rounds = [latency for latency in latencies if latency.share_of_peak == share]
        figures = {
            name: median(getattr(each, name) for each in rounds)
            for name in ("offered_per_s", "answered_per_s", "p50_ms", "p90_ms", "p99_ms", "p999_ms")
        }
        found.append(Latency(share_of_peak=share, round=0, faults=sum(each.faults for each in rounds), **figures))
    return found


def _by_round(measurements: Sequence[Measurement], name: str) -> dict[int, Measurement]:
    return {measurement.round: measurement for measurement in measurements if measurement.name == name}
