"""Pages of lists: one item more than asked for tells whether there is a next one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from service.wire.answers import Page

Item = TypeVar("Item")
Shown = TypeVar("Shown")


def page(
    found: Sequence[Item], limit: int, show: Callable[[Item], Shown], cursor_after: Callable[[Item], str]
) -> Page[Shown]:
    """`found` holds up to `limit + 1` items, in the order of the list."""
    items = found[:limit]
    has_more = len(found) > limit
    return Page([show(item) for item in items], has_more, cursor_after(items[-1]) if has_more else None)
