"""Times of the `shop` schema: timestamptz in its columns, microseconds since the Unix epoch outside of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

NowUs: TypeAlias = Callable[[], int]
"""The wall clock: microseconds since the Unix epoch."""

Monotonic: TypeAlias = Callable[[], float]
"""A clock that nobody sets: seconds since some moment."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_column(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def of_column(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
