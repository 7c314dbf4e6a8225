"""A small shop is filled as a large one is: it is what a journal should be, and answers its pages."""

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from journal.embedded import running
from journal.entry import EntryType
from tests.conftest import Database
from tests.processes.running import charge_shop
from tests.scale.cold import cold
from tests.scale.exports import exports
from tests.scale.figures import Figure
from tests.scale.fill import CannotFill, fill, filled
from tests.scale.market import Plan
from tests.scale.pages import pages
from tests.scale.shop import served

SELLERS = 2_000
ENTRIES = 20_000
BIG = 2_000
MONTH_US = 30 * 86_400_000_000
NEVER_MADE = {EntryType.CREDIT_ENDORSED}

INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('cell_00', 'shop') ORDER BY indexdef"
KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace IN ('cell_00'::regnamespace, 'shop'::regnamespace) ORDER BY 1, 2"""
TYPES = "SELECT type, count(*) FROM cell_00.entries GROUP BY type"
BIG_ENTRIES = "SELECT count(*) FROM cell_00.entries WHERE seller_id = $1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled once for all: whatever is done to it, it stays a whole shop."""
    made = tmp_path_factory.mktemp("scale")
    now_us = time.time_ns() // 1_000
    asyncio.run(fill(made, Plan(SELLERS, ENTRIES, BIG, now_us - MONTH_US, now_us), lambda *_: None))
    return made


async def test_every_entry_and_row_is_what_the_rules_make(folder: Path) -> None:
    done = await charge_shop("verify", "--data-dir", str(folder / "data"))
    assert done.status == 0, done.out + done.err
    assert f"{SELLERS:,} of {SELLERS:,} sellers" in done.out


async def test_the_load_leaves_every_index_and_key_as_the_migrations_made_it(folder: Path, database: Database) -> None:
    async with running(folder / "data") as server:
        loaded = await _fetched(server.owner_url, INDEXES, KEYS)
    assert loaded == await _fetched(database.owner_url, INDEXES, KEYS)


async def test_there_is_something_of_every_type_and_much_of_the_big_seller(folder: Path) -> None:
    shop = filled(folder)
    assert shop is not None
    async with running(folder / "data") as server:
        (types,) = await _fetched(server.owner_url, TYPES)
        connection = await asyncpg.connect(server.owner_url)
        big = await connection.fetchval(BIG_ENTRIES, shop.big_seller)
        await connection.close()
    assert {name for name, _ in types} == set(EntryType) - NEVER_MADE
    assert sum(count for _, count in types) >= ENTRIES
    assert 0.8 * BIG <= big <= 1.3 * BIG


async def test_its_pages_are_answered_and_its_sellers_sell(folder: Path) -> None:
    shop = filled(folder)
    assert shop is not None
    async with served(folder, shop) as made:
        assert len(await cold(made, 20)) == 4
        assert len(await pages(made, 2)) > 100
        lines = await exports(made)
    assert lines[0].value >= 0.8 * BIG


def test_what_was_not_filled_to_the_end_is_not_used(tmp_path: Path) -> None:
    assert filled(tmp_path) is None
    (tmp_path / "data").mkdir()
    with pytest.raises(CannotFill, match="remove it"):
        filled(tmp_path)


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (Figure("", 2.0, "s", 2.0), True),
        (Figure("", 2.1, "s", 2.0), False),
        (Figure("", 0.9, "", 0.9, "at least"), True),
        (Figure("", 0.89, "", 0.9, "at least"), False),
        (Figure("", 1.0, ""), None),
    ],
)
def test_a_figure_meets_its_bar_or_not(figure: Figure, is_met: bool | None) -> None:
    assert figure.is_met is is_met


async def _fetched(url: str, *statements: str) -> list[list[Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [[tuple(row) for row in await connection.fetch(statement)] for statement in statements]
    finally:
        await connection.close()
