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
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)


def format_time(at_us: int) -> str:
    """`2026-11-23T10:00:00.123456Z`."""
    second, microseconds = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{microseconds:06d}Z"


def parse_time(text: str) -> int | None:
    """Microseconds for an RFC 3339 time (finer decimals are cut off), or a date, which means its midnight in UTC; None
    for anything else, a time whose year in UTC has not four digits included: it could not be written."""
    if len(text) > 35 or _RFC3339.fullmatch(text) is None:
        return None
    try:
        if len(text) == 10:
            at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        else:
            at = datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC)
        return (at - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]
