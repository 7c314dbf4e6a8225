"""The first charge of sellers that are not in memory: their credential, their account and the charge itself."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from tests.scale.figures import Figure, latencies
from tests.scale.shop import Seller, Shop

P99_MS_MAX: Final = 10.0
AT_ONCE: Final = 8


async def cold(shop: Shop, count: int) -> list[Figure]:
    figures = []
    for at_once in (1, AT_ONCE):
        sellers = iter(await shop.some_sellers(count))
        took_s: list[float] = []
        await asyncio.gather(*(_sell(shop, sellers, took_s) for _ in range(at_once)))
        name = "first charge of a cold seller" + ("" if at_once == 1 else f", {at_once} at once")
        figures += latencies(name, took_s, P99_MS_MAX if at_once == 1 else None)
    return figures


async def _sell(shop: Shop, sellers: Iterator[Seller], took_s: list[float]) -> None:
    for seller in sellers:
        client = shop.client_of(seller)
        begin = time.perf_counter()
        status, answer, _, _ = await client.charge(key="first")
        took_s.append(time.perf_counter() - begin)
        assert status == 201, answer
