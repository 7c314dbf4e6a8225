"""API keys: made, listed, revoked by their seller; a use is shown at once, and written now and then."""

from contextlib import asynccontextmanager

import asyncpg
import pytest

from journal.store import JournalUnavailable
from service.identity.api_keys import LastUsed
from service.identity.bearer import digest_of
from service.identity.instants import to_column
from service.identity.page import Position
from tests.service.identity.conftest import Identity, after


async def test_only_the_digest_is_stored(identity: Identity, owner: asyncpg.Connection) -> None:
    seller = await identity.seller()
    key, secret = await identity.api_keys.create(seller.id, "till")
    row = await owner.fetchrow("SELECT * FROM shop.api_keys")
    assert row is not None
    assert row["digest"] == digest_of(secret)
    assert secret not in repr(row)
    assert key.prefix == secret[:12]


async def test_a_seller_lists_its_keys_newest_first_page_by_page(identity: Identity) -> None:
    seller, other = await identity.seller("one"), await identity.seller("two")
    await identity.api_keys.create(other.id, "not yours")
    made = []
    for number in range(7):
        identity.clock.advance(number % 2)  # some share their time
        made.append((await identity.api_keys.create(seller.id, f"till {number}"))[0])
    expected = sorted(made, key=lambda key: (key.created_at_us, key.id), reverse=True)
    assert await identity.api_keys.list(seller.id, limit=100) == expected
    walked = await identity.api_keys.list(seller.id, limit=3)
    while page := await identity.api_keys.list(seller.id, limit=3, before=after(walked[-1])):
        walked += page
    assert walked == expected


async def test_a_revoked_key_is_gone_for_its_seller_and_kept_for_the_record(
    identity: Identity, owner: asyncpg.Connection
) -> None:
    seller = await identity.seller()
    key, secret = await identity.api_keys.create(seller.id, "till")
    assert await identity.api_keys.revoke(seller.id, key.id)
    assert not await identity.api_keys.revoke(seller.id, key.id)
    assert await identity.api_keys.list(seller.id, limit=10) == []
    assert await identity.asks(f"Bearer {secret}") is None
    assert await owner.fetchval("SELECT count(*) FROM shop.api_keys WHERE revoked_at IS NOT NULL") == 1


async def test_nobody_revokes_anothers_key(identity: Identity) -> None:
    seller, other = await identity.seller("one"), await identity.seller("two")
    key, secret = await identity.api_keys.create(seller.id, "till")
    assert not await identity.api_keys.revoke(other.id, key.id)
    assert await identity.asks(f"Bearer {secret}")


async def test_every_use_is_shown_at_once_and_written_later(identity: Identity, owner: asyncpg.Connection) -> None:
    seller = await identity.seller()
    _, secret = await identity.api_keys.create(seller.id, "till")
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us is None
    async with identity.listening():
        assert await identity.asks(f"Bearer {secret}")
        identity.clock.advance(0.5)
        assert identity.credentials.principal(f"Bearer {secret}")
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us == identity.clock.us
    assert await owner.fetchval("SELECT last_used_at FROM shop.api_keys") is None
    await identity.last_used.flush()
    assert await owner.fetchval("SELECT last_used_at FROM shop.api_keys") == to_column(identity.clock.us)
    identity.clock.advance(1)
    await identity.last_used.flush()
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us == identity.clock.us - 1_000_000


async def test_a_use_is_shown_while_it_is_written(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await identity.seller()
    key, _ = await identity.api_keys.create(seller.id, "till")
    writing = identity.database.writing
    shown = list[int | None]()

    @asynccontextmanager
    async def watched():
        async with writing() as connection:
            yield connection
            shown.extend(key.last_used_at_us for key in await identity.api_keys.list(seller.id, limit=1))

    monkeypatch.setattr(identity.database, "writing", watched)
    identity.last_used.note(key.id, 1_000_000)
    await identity.last_used.flush()
    assert shown == [1_000_000]


async def test_a_use_is_shown_that_is_written_right_after_the_rows_were_read(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await identity.seller()
    key, _ = await identity.api_keys.create(seller.id, "till")
    reading = identity.database.reading

    @asynccontextmanager
    async def overtaken():
        async with reading() as connection:
            yield connection
        await identity.last_used.flush()

    monkeypatch.setattr(identity.database, "reading", overtaken)
    identity.last_used.note(key.id, 1_000_000)
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us == 1_000_000


async def test_an_older_use_does_not_overwrite_a_newer_one(identity: Identity) -> None:
    seller = await identity.seller()
    key, _ = await identity.api_keys.create(seller.id, "till")
    for at_us in (2_000_000, 1_000_000):
        identity.last_used.note(key.id, at_us)
        await identity.last_used.flush()
    assert (await identity.api_keys.list(seller.id, limit=1))[0].last_used_at_us == 2_000_000


async def test_uses_are_written_many_at_a_time(identity: Identity) -> None:
    seller = await identity.seller()
    keys = [(await identity.api_keys.create(seller.id, f"till {n}"))[0] for n in range(5)]
    last_used = LastUsed(identity.database, batch_max=2)
    for key in keys:
        last_used.note(key.id, 1_000_000)
    await last_used.flush()
    listed = await identity.api_keys.list(seller.id, limit=10)
    assert [key.last_used_at_us for key in listed] == [1_000_000] * 5


async def test_what_cannot_be_written_is_kept_and_newer_uses_win(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_used = LastUsed(identity.database)
    last_used.note("a", 1)
    last_used.note("b", 1)

    def losing():
        last_used.note("b", 2)
        raise JournalUnavailable

    monkeypatch.setattr(identity.database, "writing", losing)
    with pytest.raises(JournalUnavailable):
        await last_used.flush()
    assert last_used._noted == {"a": 1, "b": 2}


def test_notes_are_bounded() -> None:
    last_used = LastUsed(None, noted_max=2)  # type: ignore[arg-type]
    for key in ("a", "b", "c"):
        last_used.note(key, 1)
    last_used.note("a", 2)
    assert last_used._noted == {"a": 2, "b": 1}


async def test_a_cursor_from_beyond_the_end_of_time_is_a_first_page(identity: Identity) -> None:
    seller = await identity.seller()
    key, _ = await identity.api_keys.create(seller.id, "till")
    far = Position(2**63 - 1, "ffffffff-ffff-ffff-ffff-ffffffffffff")
    assert await identity.api_keys.list(seller.id, limit=1, before=far) == [key]
