"""Metrics for Prometheus: plain numbers that are counted in place, and made into families when they are asked for.

Counting is on the hot path and costs 0.3 us a request, where `Histogram.labels(...).observe(...)` takes ten
times that. Nothing is global: each application has its own `Metrics`. Labels come from closed sets (routes,
kinds of decisions), never from what clients send, so the number of series is bounded.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

REQUEST_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
FLUSH_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.0, 5.0)
FLUSH_ENTRIES_BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
FLUSH_FAULTS: Final = ("FlushRefused", "OutcomeUnknown", "JournalUnavailable")
"""What is alerted on is there from the start, at 0: Prometheus sees no growth in a series that begins with 1."""


class Histogram:
    """How many observations fell up to each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[str, float]]:
        """As Prometheus has it: each bucket counts all that is below it, too."""
        labels = [*map(str, self.bounds), "+Inf"]
        return list(zip(labels, map(float, accumulate(self.counts)), strict=True))


class _Route:
    """The counts of one route."""

    __slots__ = ("durations", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {500: 0}  # See FLUSH_FAULTS.
        self.durations = Histogram(REQUEST_BOUNDS_S)

    def answered(self, status: int, duration_s: float) -> None:
        statuses = self.statuses
        statuses[status] = statuses.get(status, 0) + 1
        durations = self.durations
        durations.counts[bisect_left(REQUEST_BOUNDS_S, duration_s)] += 1
        durations.total += duration_s


class Metrics(Collector):
    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], _Route] = {}
        self._decisions: dict[str, int] = {}
        self._verifications = {"passed": 0, "failed": 0}
        self._verified_at_s: float | None = None
        self._drift = 0
        self._flush_faults = dict.fromkeys(FLUSH_FAULTS, 0)
        self._flush_durations = Histogram(FLUSH_BOUNDS_S)
        self._flush_entries = Histogram(FLUSH_ENTRIES_BOUNDS)
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._states: list[tuple[str, str, tuple[str, ...], Callable[[], str]]] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    # --- counting -----------------------------------------------------------------------------------------

    def route(self, method: str, path: str) -> Callable[[int, float], None]:
        """What to call, with status and seconds, for each request that a route has answered."""
        return self._routes.setdefault((method, path), _Route()).answered

    def decided(self, kind: str) -> None:
        """An entry of this type was made, or a command was refused with this code, or `replayed`.

        Counted when it is decided, before it is durable: what a flush did not take is counted, and once more when it is
        decided again. The single charges that a batch repeats, or is refused, are not counted."""
        self._decisions[kind] = self._decisions.get(kind, 0) + 1

    def flushed(self, entries: int, duration_s: float) -> None:
        """The database has answered one flush: it was committed, or wrote nothing since it brought a key that is known.

        One that failed is not counted."""
        self._flush_entries.observe(entries)
        self._flush_durations.observe(duration_s)

    def flush_failed(self, kind: str) -> None:
        """The database did not take a flush, or did not say so."""
        self._flush_faults[kind] = self._flush_faults.get(kind, 0) + 1

    def verified(self, drift: int, at_s: float) -> None:
        """A verification that was asked for over HTTP has come to its end. It ends at the first seller whose journal is
        not what it should be, so `drift` is 1 or 0."""
        self._verifications["failed" if drift else "passed"] += 1
        self._drift = drift
        self._verified_at_s = at_s

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A number that is read when metrics are asked for: `charge_shop_<name>`."""
        self._gauges.append((f"charge_shop_{name}", description, read))

    def watch_state(self, name: str, description: str, states: Iterable[str], read: Callable[[], str]) -> None:
        """One of several states: `charge_shop_<name>{state=...}` is 1 for the one that is, 0 for the others."""
        self._states.append((f"charge_shop_{name}", description, tuple(states), read))

    # --- showing ------------------------------------------------------------------------------------------

    def families(self) -> list[Metric]:
        """Everything as it is now; for `exposition`."""
        return list(self._registry.collect())

    def collect(self) -> Iterator[Metric]:
        yield from self._of_requests()
        decisions = CounterMetricFamily(
            "charge_shop_decisions", "Decisions: entries made (durable or not), refusals, replays.", labels=["kind"]
        )
        for kind, count in sorted(self._decisions.items()):
            decisions.add_metric([kind], count)
        yield decisions
        yield _shown("charge_shop_flush_entries", "Entries that one flush carried.", self._flush_entries)
        yield _shown("charge_shop_flush_duration_seconds", "Time of a flush, COMMIT included.", self._flush_durations)
        faults = CounterMetricFamily("charge_shop_flush_faults", "Flushes that failed.", labels=["kind"])
        for kind, count in sorted(self._flush_faults.items()):
            faults.add_metric([kind], count)
        yield faults
        yield from self._of_verifications()
        for name, description, read in self._gauges:
            yield GaugeMetricFamily(name, description, value=read())
        for name, description, states, read_state in self._states:
            gauge, now = GaugeMetricFamily(name, description, labels=["state"]), read_state()
            for state in states:
                gauge.add_metric([state], float(state == now))
            yield gauge

    def _of_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "charge_shop_http_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        durations = HistogramMetricFamily(
            "charge_shop_http_request_duration_seconds",
            "Time from head to answer.",
            labels=["method", "route"],
        )
        for (method, path), route in self._routes.items():
            for status, count in sorted(route.statuses.items()):
                requests.add_metric([method, path, str(status)], count)
            if any(route.statuses.values()):
                durations.add_metric([method, path], route.durations.cumulated(), route.durations.total)
        yield requests
        yield durations

    def _of_verifications(self) -> Iterator[Metric]:
        runs = CounterMetricFamily("charge_shop_verifications", "Verifications of the journal.", labels=["result"])
        for result, count in self._verifications.items():
            runs.add_metric([result], count)
        yield runs
        yield GaugeMetricFamily(
            "charge_shop_verification_drift",
            "1 when the last verification found a bad entry, else 0.",
            value=self._drift,
        )
        if self._verified_at_s is not None:
            yield GaugeMetricFamily(
                "charge_shop_last_verification_timestamp_seconds",
                "When the last verification ended.",
                value=self._verified_at_s,
            )


class _Collected:
    """What a registry would be asked for, when it has been."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def exposition(families: list[Metric]) -> tuple[bytes, str]:
    """Prometheus's text format, and its content type. Pure, for it takes some ten milliseconds: best in a thread."""
    return generate_latest(_Collected(families)), CONTENT_TYPE_LATEST


def _shown(name: str, description: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, description, buckets=histogram.cumulated(), sum_value=histogram.total)
