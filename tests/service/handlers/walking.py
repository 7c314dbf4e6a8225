"""Walks the pages of a list by its cursors."""

from collections.abc import AsyncIterator
from typing import Any

from tests.service.shop import User


async def walk(user: User, path: str, **query: str) -> AsyncIterator[list[Any]]:
    while True:
        answer = await user.get(path, **query)
        assert answer.status == 200, answer
        shown = answer.json
        yield shown["data"]
        assert shown["has_more"] == (shown["next_cursor"] is not None)
        if not shown["has_more"]:
            return
        query["cursor"] = shown["next_cursor"]
