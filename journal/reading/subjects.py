"""What charges and credit requests have in common: an entry that opened each, and one that spoke of it last."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from journal.entry import Entry
from journal.ids import is_id
from journal.reading.cell import BIGGEST
from journal.reading.ranges import Ranges
from journal.reading.records import Key, SubjectRecord, WrongKey
from journal.rows import CURRENCY, ENTRY_COLUMNS, PREVIOUS_HASH, entry_of

OPENING_COLUMNS: Final = f"{ENTRY_COLUMNS}, {PREVIOUS_HASH}, {CURRENCY}"
"""Of table alias `e`; a statement adds the `last_seq` of what the entry opened."""
LAST: Final = f"""
SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH}
FROM unnest($1::uuid[], $2::bigint[]) AS k (seller_id, seq)
JOIN {{cell}}.entries e ON e.seller_id = k.seller_id AND e.seq = k.seq"""

ID_MIN: Final = "00000000-0000-0000-0000-000000000000"
ID_MAX: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def id_at(at_us: int) -> str:
    """Not after any id of an entry written at that time or later, and after all of the milliseconds before."""
    at_ms = at_us // 1000
    if at_ms <= 0:
        return ID_MIN
    if at_ms >= 2**48:
        return ID_MAX
    digits = f"{at_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}{ID_MIN[13:]}"


def number_before(before: Key | None) -> int:
    """The end of a range of seq or position."""
    if isinstance(before, str):
        raise WrongKey(before)
    return BIGGEST if before is None else before


def id_before(before: Key | None) -> str:
    """The end of a range of ids."""
    if before is None:
        return ID_MAX
    if not isinstance(before, str) or not is_id(before):
        raise WrongKey(before)
    return before


class Subjects(Ranges):
    async def _records(self, rows: Sequence[Any], key_of: Callable[[Entry, int], Key]) -> list[SubjectRecord]:
        """In the order of the rows, which hold `OPENING_COLUMNS` and `last_seq`; `key_of` takes entry and position."""
        continued = [(row["seller_id"], row["last_seq"]) for row in rows if row["last_seq"] != row["seq"]]
        last = {}
        if continued:
            for row in await self._fetch(LAST, *zip(*continued, strict=True)):
                last[row["seller_id"], row["seq"]] = entry_of(row, row["previous_hash"])
        records = []
        for row in rows:
            opening = entry_of(row, row["previous_hash"])
            records.append(
                SubjectRecord(
                    opening,
                    last.get((row["seller_id"], row["last_seq"]), opening),
                    row["currency"],
                    key_of(opening, row["position"]),
                )
            )
        return records
