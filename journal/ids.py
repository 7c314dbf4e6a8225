"""Ids: UUID version 7 texts (RFC 9562), those of entries derived from where the entry stands.

An entry's id is not stored anywhere. It is made of three facts that its row has anyway, laid out so that
it is a well-formed UUIDv7 and leads back to its row by primary key:

    48 bits   the entry's time in milliseconds          | the time field of every UUIDv7
     4 bits   version 7
    12 bits   the upper 12 bits of the entry's seq      | "rand_a"
     2 bits   variant 10
    30 bits   the lower 30 bits of the entry's seq      | "rand_b"
    32 bits   the seller's tag                          |

The *tag* is the last 32 bits (eight hex digits) of the seller's own id, unique among sellers: whoever
creates a seller draws again on a clash. So all ids of a seller's entries end in the same eight digits.

Texts are canonical (lower case, hyphens) everywhere in the service: they go straight into JSON and make
fast dictionary keys.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

SEQ_MAX: Final = 2**42 - 1
_CANONICAL: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def entry_id(seller_id: str, seq: int, at_us: int) -> str:
    """The id of entry `seq` of the seller, written at `at_us` microseconds since the epoch."""
    return f"{_time_text(at_us // 1000)}{_upper_text(seq >> 16)}{seq & 0xFFFF:04x}{seller_id[-8:]}"


# On the hot path, where the next id is mostly of the same millisecond, and of a seller with less than 65,536 entries.
@lru_cache(maxsize=256)
def _time_text(at_ms: int) -> str:
    return f"{at_ms >> 16:08x}-{at_ms & 0xFFFF:04x}-"


@lru_cache(maxsize=256)
def _upper_text(upper: int) -> str:
    """Of the seq, all but its last 16 bits."""
    return f"{0x7000 | upper >> 14:04x}-{0x8000 | upper & 0x3FFF:04x}-"


def seq_of(entry: str) -> int:
    """The `seq` that a well-formed entry id speaks of; whether such an entry exists is for its reader to see."""
    return (int(entry[15:18], 16) << 30) | ((int(entry[19:23], 16) & 0x3FFF) << 16) | int(entry[24:28], 16)


def tag_of(any_id: str) -> str:
    """The eight hex digits that an entry's id shares with its seller's id."""
    return any_id[-8:]


def is_id(text: str) -> bool:
    """Whether the text is a canonical UUID (any version: ids of foreign origin are looked up, then not found)."""
    return _CANONICAL.fullmatch(text) is not None


def new_id(now_us: int, random_bytes: Callable[[int], bytes]) -> str:
    """A random UUIDv7 for what is not an entry: users, sellers, API keys, verifications."""
    tail = int.from_bytes(random_bytes(10))
    low = tail & (2**48 - 1)
    digits = f"{now_us // 1000:012x}{0x7000 | (tail >> 68):04x}{0x8000 | ((tail >> 48) & 0x3FFF):04x}{low:012x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
