"""Sellers: one id with their user, a tag of their own, found by any part of their names."""

from random import Random

import asyncpg
import msgspec
import pytest

from journal.ids import new_id
from service.identity.page import FIRST
from service.identity.refusals import USERNAME_TAKEN
from service.identity.sellers import NEWEST_SUSPENDED, SellerProfile, Sellers
from service.identity.sources import Sources
from tests.service.identity.conftest import PASSWORD, Identity, after

MANY = 2_000
SUSPENDED = 60
MAKE_SELLERS = """
WITH ids AS (SELECT id, n FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, n)), made AS (
    INSERT INTO shop.users (id, username, role, password_hash, created_at)
    SELECT id, 'many-' || n, 'seller', '', uuid_extract_timestamp(id) FROM ids)
INSERT INTO shop.sellers (id, name, search, currency, created_at)
SELECT id, 'Many', 'many', 'USD', uuid_extract_timestamp(id) FROM ids"""
NOBODY = "00000000-0000-7000-8000-000000000000"
PLANS = "SELECT custom_plans AS custom, generic_plans AS generic FROM pg_prepared_statements WHERE statement LIKE $1"


async def test_a_seller_and_its_user_have_one_id(identity: Identity) -> None:
    seller = await identity.seller("Kiosk", "Kiosk 17")
    user = await identity.users.find_by_name("kiosk")
    assert user is not None
    assert (user.id, user.role) == (seller.id, "seller")
    assert seller == SellerProfile(seller.id, "Kiosk", "Kiosk 17", "USD", "cell_00", identity.clock.us)
    assert await identity.sellers.find(seller.id) == seller
    assert await identity.sellers.find_by_tag(seller.id[-8:]) == seller
    assert await identity.sellers.find(NOBODY) is None
    assert await identity.sellers.find_by_tag("00000000") is None


async def test_a_taken_name_makes_neither(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.admin("boss")
    assert await identity.sellers.create("BOSS", PASSWORD, "Kiosk", "USD") == USERNAME_TAKEN
    assert await owner.fetchval("SELECT count(*) FROM shop.sellers") == 0


async def test_on_a_clash_of_tags_another_id_is_drawn(identity: Identity, owner: asyncpg.Connection) -> None:
    draws = [b"\1" * 10, b"\2" * 6 + b"\1" * 4, b"\3" * 10]  # the second has the tag of the first
    drawn = iter(draws)
    sellers = Sellers(identity.database, identity.passwords, Sources(identity.clock.now_us, lambda _: next(drawn)))
    first = await sellers.create("one", PASSWORD, "One", "USD")
    second = await sellers.create("two", PASSWORD, "Two", "USD")
    assert isinstance(first, SellerProfile)
    assert isinstance(second, SellerProfile)
    assert (first.id[-8:], second.id[-8:]) == ("01010101", "03030303")
    assert await owner.fetchval("SELECT count(*) FROM shop.users") == 2


async def test_a_random_source_that_is_none_does_not_loop_for_ever(identity: Identity) -> None:
    sellers = Sellers(identity.database, identity.passwords, Sources(identity.clock.now_us, bytes))
    await sellers.create("one", PASSWORD, "One", "USD")
    with pytest.raises(AssertionError, match="no free tag"):
        await sellers.create("two", PASSWORD, "Two", "USD")


async def test_sellers_are_listed_newest_first_page_by_page(identity: Identity) -> None:
    made = []
    for number in range(7):
        identity.clock.advance(number % 2)
        made.append(await identity.seller(f"kiosk{number}"))
    expected = sorted(made, key=lambda seller: (seller.created_at_us, seller.id), reverse=True)
    for search in (None, "", "kiosk"):
        walked = await identity.sellers.list(limit=3, search=search)
        while page := await identity.sellers.list(limit=3, search=search, before=after(walked[-1])):
            walked += page
        assert walked == expected


SEARCHES = {
    "anna": "a",
    "ANN": "a",
    "n": "abcd",
    "na": "a",
    "tele": "ab",
    "anna telecom": "a",
    "anna\ntelecom": "a",
    "telecom anna": "",
    "telecom\nuser.a": "",
    "шоп": "c",
    "ШОП": "c",
    "STRASSE": "b",
    "straße": "b",
    "ﬁne": "d",
    "e\u0301": "d",
    "%": "d",
    "_": "c",
    "\\": "d",
    "x": "c",
    "xn": "",
    "user.a": "a",
    "USER.A": "a",
    "zzz": "",
    "x" * 200: "",
    "'; --": "",
    "{": "",
}


async def test_a_search_finds_any_part_of_either_name(identity: Identity) -> None:
    await identity.seller("User.A", "Anna Telecom")
    await identity.seller("user.b", "Bert's Telecom, Hauptstraße n")
    await identity.seller("user_x.c", "Новый шоп Nr")
    await identity.seller("user.d", "100% \\ Fine Café n")
    found = {}
    for search in SEARCHES:
        matching = await identity.sellers.list(limit=10, search=search)
        found[search] = "".join(sorted(seller.username[-1].lower() for seller in matching))
    assert found == SEARCHES


async def test_a_search_uses_its_index(identity: Identity, owner: asyncpg.Connection) -> None:
    """Which needs no extension, and a look at few of many sellers."""
    await identity.seller()
    await owner.execute("SET enable_seqscan = off; SET enable_indexscan = off")
    plan = await owner.fetch(
        "EXPLAIN SELECT FROM shop.sellers s WHERE shop.grams(s.search) @> '{kio,ios}' AND s.search LIKE '%kios%'"
    )
    assert any("sellers_search" in row[0] for row in plan)


async def test_each_search_is_planned_for_the_text_that_it_looks_for(identity: Identity) -> None:
    """However often searches were asked for before: PostgreSQL takes one plan for all after the fifth."""
    await identity.seller()
    for number in range(10):
        await identity.sellers.list(limit=3, search=f"kiosk{number}")
    async with identity.database.reading() as connection:
        plans = await connection.fetchrow(PLANS, "%shop.grams(s.search)%")
    assert plans is not None
    assert (plans["custom"], plans["generic"]) == (10, 0)


async def test_the_suspended_are_found_among_many_at_the_cost_of_a_page(
    identity: Identity, owner: asyncpg.Connection
) -> None:
    """Newest first, page by page; here they are the oldest, behind all others."""
    ids = [new_id(identity.clock.us + 1_000 * number, Random(number).randbytes) for number in range(MANY)]
    await owner.execute(MAKE_SELLERS, ids)
    await owner.execute("INSERT INTO cell_00.accounts SELECT unnest($1::uuid[]), 'USD', true, 0", ids[:SUSPENDED])
    await owner.execute("INSERT INTO cell_00.accounts SELECT unnest($1::uuid[]), 'USD', false, 0", ids[SUSPENDED:])
    await owner.execute("ANALYZE")
    walked = await identity.sellers.list(limit=25, is_suspended=True)
    while page := await identity.sellers.list(limit=25, is_suspended=True, before=after(walked[-1])):
        walked += page
    assert [seller.id for seller in walked] == ids[:SUSPENDED][::-1]

    plan = await owner.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {NEWEST_SUSPENDED}", FIRST.at, FIRST.id, 25)
    assert msgspec.json.decode(plan)[0]["Plan"]["Shared Hit Blocks"] <= 10 * 25


async def test_a_new_name_is_found_and_the_old_one_is_not(identity: Identity) -> None:
    seller = await identity.seller("kiosk", "Anna")
    assert await identity.sellers.rename(seller.id, "Bert")
    assert not await identity.sellers.rename(NOBODY, "Bert")
    assert [s.name for s in await identity.sellers.list(limit=10, search="bert")] == ["Bert"]
    assert [s.name for s in await identity.sellers.list(limit=10, search="KIOSK")] == ["Bert"]
    assert await identity.sellers.list(limit=10, search="anna") == []
