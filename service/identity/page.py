"""Where a page of a list begins: lists here are ordered by (created_at, id), newest first.

A list takes the position of the last item of the page before, and answers the items after it. To learn whether there
are more, ask for one item more than is shown.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from service.identity.instants import to_column

_LATEST_US: Final = 253_402_214_400_000_000  # 9999-12-31


class Position(Struct, frozen=True):
    """Of an item in a list."""

    at_us: int
    id: str

    @property
    def at(self) -> datetime:
        return to_column(min(self.at_us, _LATEST_US))  # a cursor may hold any number


FIRST: Final = Position(_LATEST_US, "ffffffff-ffff-ffff-ffff-ffffffffffff")
"""Before the newest item of every list."""
