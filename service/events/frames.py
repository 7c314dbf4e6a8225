"""The bytes of a stream (WHATWG HTML, section 9.2).

    retry: 2000                             at once: when to come again
    id: 4710                                ... and after what, should nothing happen before the connection breaks
    : heartbeat

    id: 4711                                an entry
    event: charge
    data: {"id":"0195f3a2-...", ...}

The `id` is the position of the entry in its cell, in decimal. Clients have no business with that: they keep it and
send it back. `data` is the Transaction object, byte for byte as `GET /v1/transactions/{id}` answers it; JSON has no
line breaks in it, since control characters are escaped. Pure.
"""

import re
from typing import Final

from journal.entry import Entry
from service import answers
from service.http.responses import encode

RETRY_MS: Final = 2_000
HEARTBEAT: Final = b": heartbeat\n\n"

_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def greeting(position: int) -> bytes:
    """The beginning of a stream that goes on after a position. Without data it is no event, but it sets the last id."""
    return b"retry: %d\nid: %d\n%b" % (RETRY_MS, position, HEARTBEAT)


def frame(entry: Entry, position: int, currency: str) -> bytes:
    """One entry as an event."""
    data = encode(answers.transaction(entry, position, currency))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, entry.type.encode(), data)


def position_of(event_id: str) -> int | None:
    """The position that an id stands for; None when it is none of ours."""
    return int(event_id) if _POSITION.fullmatch(event_id) else None
