"""What a seller in memory takes, and that no more than so many are ever there."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.processes.running import Client
from tests.scale.figures import Figure
from tests.scale.fill import Filled
from tests.scale.shop import Shop, rss_bytes, served

BYTES_PER_SELLER_MAX: Final = 2_048
ANSWERS_MIB_MAX: Final = 96
"""The directory keeps 50,000 of them, about 1 KiB each."""
SALES: Final = 30
GROWTH_MAX: Final = 1.1
"""Beyond the bound. Allocators scatter, and a sample has noise."""
AT_ONCE: Final = 64
WARM_SHARE: Final = 10
"""One in so many is loaded first, with which comes all that is made once."""
SELLERS: Final = "SELECT seller_id::text FROM cell_00.accounts ORDER BY right(seller_id::text, 8) LIMIT $1"


async def memory(folder: Path, filled: Filled, count: int) -> list[Figure]:
    return [
        *await _slope(folder, filled, count),
        *await _bound(folder, filled, count),
        *await _answers(folder, filled, count // 20),
    ]


async def _slope(folder: Path, filled: Filled, count: int) -> list[Figure]:
    async with served(folder, filled) as shop:
        sellers = await _sellers(shop, count)
        warm = count // WARM_SHARE
        await _look_at(shop, sellers[:warm])
        before = rss_bytes(shop.pid)
        await _look_at(shop, sellers[warm:])
        grown = rss_bytes(shop.pid) - before
    return [
        Figure("sellers in memory", count, ""),
        Figure("memory of each", round(grown / (count - warm)), "bytes", BYTES_PER_SELLER_MAX),
    ]


async def _bound(folder: Path, filled: Filled, count: int) -> list[Figure]:
    """What never changes of a seller is kept of twice as many; when everything is full, three times as many come."""
    bound = count // 5
    async with served(folder, filled, {"CHARGE_SHOP_SELLERS_LOADED_MAX": str(bound)}) as shop:
        sellers = await _sellers(shop, count)
        await _look_at(shop, sellers[: 2 * bound])
        before = rss_bytes(shop.pid)
        await _look_at(shop, sellers[2 * bound :])
        after = rss_bytes(shop.pid)
    return [
        Figure(f"all memory, {bound:,} sellers may be loaded", round(before / 2**20, 1), "MiB"),
        Figure(f"growth when {3 * bound:,} others come", round(after / before, 3), "times", GROWTH_MAX),
    ]


async def _answers(folder: Path, filled: Filled, count: int) -> list[Figure]:
    """Of sales with a key, whose answers are kept for a while."""
    async with served(folder, filled) as shop:
        sellers = await shop.some_sellers(count)
        for each in sellers:
            await _sell(shop.client_of(each), 1)
        before = rss_bytes(shop.pid)
        for each in sellers:
            await _sell(shop.client_of(each), SALES)
        grown = rss_bytes(shop.pid) - before
    name = f"growth by {count * SALES:,} sales with a key, of {count:,} sellers"
    return [Figure(name, round(grown / 2**20, 1), "MiB", ANSWERS_MIB_MAX)]


async def _sell(client: Client, sales: int) -> None:
    charges = [
        {"phone_number": "+15550100001", "amount": "0.01", "idempotency_key": f"{sales} {each}"}
        for each in range(sales)
    ]
    status, answer, _, _ = await client.ask("POST", "/v1/charges/batch", {"mode": "independent", "charges": charges})
    assert status == 200, answer


async def _sellers(shop: Shop, count: int) -> list[str]:
    """In an order that has nothing to do with how they lie on disk."""
    return [row[0] for row in await shop.owner.fetch(SELLERS, count)]


async def _look_at(shop: Shop, sellers: Sequence[str]) -> None:
    """Whose balance is asked for is loaded."""
    waiting = iter(sellers)
    await asyncio.gather(*(_look(shop, waiting) for _ in range(AT_ONCE)))


async def _look(shop: Shop, sellers: Iterator[str]) -> None:
    for seller_id in sellers:
        status, answer, _, _ = await shop.admin.ask("GET", f"/v1/balance?seller_id={seller_id}")
        assert status == 200, answer
