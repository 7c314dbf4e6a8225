"""Hostile input: the corpus, and what schemathesis makes of the served document, while a probe looks for stalls."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp

from tests.fuzz.documented import fuzz_document
from tests.fuzz.hostile import STALL_S_MAX, Watch, places_of, send_corpus, watched
from tests.torture.instance import Instance
from tests.torture.trial import Row, ended


async def fuzz_corpus(folder: Path, seed: int, times: int) -> Row:
    """The whole corpus, so many times. It changes nothing: what was refused moved nothing."""
    instance = Instance(folder, {})
    row = Row("fuzz: hostile requests", seed)
    async with ended(instance), aiohttp.ClientSession() as session:
        await instance.start()
        _, seller, places = await places_of(session, instance)
        _, before, _, _ = await seller.ask("GET", "/v1/balance")
        async with watched(instance) as watch:
            told = [each for _ in range(times) for each in await send_corpus(instance, places)]
        row.requests = len(told)
        row.done = {"requests": len(told)}
        row.faults = [f"{each.name}: {each.fault}" for each in told if each.fault is not None]
        row.figures["slowest_answer_ms"] = round(max(each.took_s for each in told) * 1000, 1)
        _fill_in(row, watch, Counter(each.status for each in told))
        _, after, _, _ = await seller.ask("GET", "/v1/balance")
        if (before["available"], before["seq"]) != (after["available"], after["seq"]):
            row.faults.append(f"something was sold: {before} became {after}")
        if (found := await instance.verify()) is not None:
            row.faults.append(f"charge-shop verify: {found}")
    return row


async def fuzz_documented(folder: Path, seed: int, examples: int) -> Row:
    instance = Instance(folder, {})
    row = Row("fuzz: what the served document describes", seed)
    async with ended(instance), aiohttp.ClientSession() as session:
        await instance.start()
        _, _, places = await places_of(session, instance)
        credentials = {"admin": places.admin_token, "seller": places.seller_token}
        known = {"/v1/charges": places.hold_id, "/v1/sellers": places.seller_id}
        async with watched(instance) as watch:
            asked = await asyncio.to_thread(fuzz_document, instance.url, credentials, known, examples, seed)
        row.requests = sum(asked.statuses.values())
        row.done = {"requests": row.requests}
        row.faults = asked.faults
        _fill_in(row, watch, Counter(asked.statuses))
        if (found := await instance.verify()) is not None:
            row.faults.append(f"charge-shop verify: {found}")
    return row


def _fill_in(row: Row, watch: Watch, statuses: Counter[int]) -> None:
    """Stalls are a fault; so is a probe that did not look."""
    row.figures |= {f"answered_{status}": count for status, count in sorted(statuses.items())}
    row.figures |= {"probed": watch.asked, "longest_stall_ms": round(watch.longest_s * 1000, 1)}
    row.faults += [f"a stall of {stall_s * 1000:.0f} ms, above {STALL_S_MAX * 1000:.0f}" for stall_s in watch.stalls_s]
    if not watch.asked:
        row.faults.append("the probe was never answered")
