"""Once in a while: last uses are written, expired tokens deleted, and a database that is away is waited for."""

import asyncio

import asyncpg
import pytest

from journal.store import JournalUnavailable
from service.identity.api_keys import LastUsed
from service.identity.housekeeping import keep_house
from service.identity.tokens import LIFE_US, Tokens
from tests.service.identity.conftest import Identity


async def test_it_goes_on_after_the_database_was_away(
    identity: Identity, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await identity.seller("kiosk")
    key, _ = await identity.api_keys.create(seller.id, "till")
    await identity.token("kiosk")
    identity.clock.us += LIFE_US
    identity.last_used.note(key.id, identity.clock.us)
    flush, delete_expired, flushes, done = LastUsed.flush, Tokens.delete_expired, list[int](), asyncio.Event()

    async def away_at_first(self: LastUsed) -> None:
        flushes.append(1)
        if len(flushes) == 1:
            raise JournalUnavailable("away")
        await flush(self)

    async def and_tell(self: Tokens) -> int:
        count = await delete_expired(self)
        done.set()
        return count

    monkeypatch.setattr(LastUsed, "flush", away_at_first)
    monkeypatch.setattr(Tokens, "delete_expired", and_tell)
    running = asyncio.create_task(keep_house(identity.tokens, identity.last_used, interval_s=0.001))
    await done.wait()
    running.cancel()
    await asyncio.wait({running})
    assert len(flushes) >= 2
    assert await owner.fetchval("SELECT count(*) FROM shop.tokens") == 0
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us == identity.clock.us
