"""Whatever is asked in whatever order, with whatever keys: every answer and every balance is the plain ledger's."""

from tests.conftest import Database
from tests.service.shop import open_shop
from tests.stateful.play import play_actors, play_http

SEED = 1


def test_actors_agree_with_the_ledger() -> None:
    play_actors(60, SEED)


async def test_the_api_agrees_with_the_ledger(database: Database) -> None:
    async with open_shop(database) as shop:
        await play_http(shop, 5, SEED)
