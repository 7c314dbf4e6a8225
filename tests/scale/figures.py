"""A figure that was measured, and the bar that it is held to."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct


class Figure(Struct):
    name: str
    value: float
    unit: str
    bar: float | None = None
    must_be: Literal["at most", "at least"] = "at most"

    @property
    def is_met(self) -> bool | None:
        """None where there is no bar."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.must_be == "at most" else self.value >= self.bar


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many of them do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latencies(name: str, took_s: Sequence[float], p99_ms_max: float | None) -> list[Figure]:
    return [
        Figure(f"{name}, p50", round(1_000 * percentile(took_s, 0.50), 2), "ms"),
        Figure(f"{name}, p99", round(1_000 * percentile(took_s, 0.99), 2), "ms", p99_ms_max),
    ]
