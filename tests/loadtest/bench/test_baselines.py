"""The baselines do what they claim to: a comparison with something broken would say nothing."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest

from loadtest.bench.contenders import Baseline, BaselineFailed

SALE = {"phone_number": "+989120000001", "amount": "2.50"}


@pytest.fixture
async def row_locks(empty_database, tmp_path) -> AsyncIterator[Baseline]:
    environment = {"ROW_LOCKS_DATABASE_URL": empty_database.owner_url}
    baseline = Baseline("loadtest.baselines.row_locks", tmp_path, "--sellers", "2", environment=environment)
    await baseline.start()
    try:
        yield baseline
    finally:
        await baseline.stop()


async def sell(session: aiohttp.ClientSession, url: str, token: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    async with session.post(f"{url}/v1/charges", json=SALE, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_the_bare_handler_answers_as_if_it_had_sold(tmp_path):
    baseline = Baseline("loadtest.baselines.bare", tmp_path)
    await baseline.start()
    try:
        async with aiohttp.ClientSession() as session:
            assert await sell(session, baseline.url, "anything", "1") == 201
    finally:
        await baseline.stop()


async def test_charges_of_one_seller_at_once_are_each_taken_once(row_locks, empty_database):
    async with aiohttp.ClientSession() as session:
        statuses = await asyncio.gather(*(sell(session, row_locks.url, "seller-1", f"key-{n}") for n in range(50)))
    assert set(statuses) == {201}
    connection = await asyncpg.connect(empty_database.owner_url)
    try:
        taken = await connection.fetchval("SELECT 10::bigint ^ 15 - available FROM sellers WHERE id = 1")
        written = await connection.fetchval("SELECT sum(amount) FROM charges WHERE seller_id = 1")
    finally:
        await connection.close()
    assert taken == written == 50 * 250


async def test_a_stranger_and_a_key_that_was_used_are_refused(row_locks):
    async with aiohttp.ClientSession() as session:
        assert await sell(session, row_locks.url, "seller-2", "1") == 401
        assert await sell(session, row_locks.url, "seller-0", "1") == 201
        assert await sell(session, row_locks.url, "seller-0", "1") == 409


async def test_a_baseline_that_does_not_start_says_why(tmp_path):
    with pytest.raises(BaselineFailed, match="ROW_LOCKS_DATABASE_URL"):
        await Baseline("loadtest.baselines.row_locks", tmp_path, environment={"ROW_LOCKS_DATABASE_URL": ""}).start()
