"""A shop for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.service.shop import Shop, open_shop


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened
