"""Times: integers of microseconds since the Unix epoch inside, RFC 3339 texts in UTC at the edge.

Pure; never through a float. Formatting is on the hot path, so the text of the current second is kept.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Nanoseconds, as many clocks tell them, and no finer.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6}(?P<finer>\d{0,3}))?(?:[Zz]|[+-]\d\d:[0-5]\d))?", re.ASCII
)
_MAX_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def format_time(at_us: int) -> str:
    """`2026-11-23T10:00:00.123456Z`."""
    second, microseconds = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{microseconds:06d}Z"


def parse_time(text: str, *, rounds_up: bool = False) -> int | None:
    """Microseconds for an RFC 3339 time (finer decimals are cut off, or rounded up), or a date, which means its
    midnight in UTC; None for anything else, a time whose year in UTC has not four digits included: it could not be
    written."""
    found = _RFC3339.fullmatch(text) if len(text) <= 35 else None
    if found is None:
        return None
    finer = found["finer"]
    try:
        if len(text) == 10:
            at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        else:
            at = datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    at_us = (at - _EPOCH) // _MICROSECOND
    if rounds_up and finer and int(finer):
        at_us += 1
    return at_us if at_us <= _MAX_US else None


@lru_cache(maxsize=1024)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]
