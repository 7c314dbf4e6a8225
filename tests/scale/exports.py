"""The CSV of a long history: how fast it comes, and that the service holds none of it."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import aiohttp

from tests.scale.figures import Figure
from tests.scale.shop import Shop, rss_bytes

GROWTH_MIB_MAX: Final = 32
SAMPLE_S: Final = 0.1
BITE: Final = 2**18


async def exports(shop: Shop) -> list[Figure]:
    url = f"{shop.admin.address}/v1/transactions.csv?seller_id={shop.filled.big_seller}"
    headers = {"Authorization": f"Bearer {shop.admin.token}"}
    before = rss_bytes(shop.pid)
    sampler = asyncio.create_task(_peak(shop.pid))
    begin = time.monotonic()
    lines = 0
    no_limit = aiohttp.ClientTimeout(total=None)
    async with shop.session.get(url, headers=headers, timeout=no_limit) as answer:
        assert answer.status == 200, await answer.text()
        async for bite in answer.content.iter_chunked(BITE):
            lines += bite.count(b"\n")
    took_s = time.monotonic() - begin
    sampler.cancel()
    peak = await sampler
    return [
        Figure("CSV, entries", lines - 1, ""),
        Figure("CSV, rate", round((lines - 1) / took_s), "entries/s"),
        Figure("CSV, growth of memory meanwhile", round((peak - before) / 2**20, 1), "MiB", GROWTH_MIB_MAX),
    ]


async def _peak(pid: int) -> int:
    """Until it is cancelled."""
    peak = 0
    with suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, rss_bytes(pid))
            await asyncio.sleep(SAMPLE_S)
    return peak
