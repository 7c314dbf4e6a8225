"""Every page costs a few index probes, however long the journal is, with plans that were made while it was empty."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from journal.entry import CHARGE_OPENERS, EntryType
from journal.projections import ChargeStatus, CreditRequestStatus
from journal.reader import Reader
from journal.reading import totals
from journal.reading.cell import READ_SETTINGS
from journal.service_role import SERVICE_ROLE
from tests.conftest import Database
from tests.journal.histories import MOSTLY_CHARGES, Shop

LIMIT = 51
BLOCKS_MAX = 1000
"""Of 8 KiB, cached or not. A page of 51 rows looks up some ten blocks for each; the journal here has ten thousand."""
PASSED_OVER_MAX = 400
"""Rows that were read and found not to be wanted."""

SETTINGS = {"role": SERVICE_ROLE, **READ_SETTINGS}


class Recorder(Reader):
    """Keeps what it asked the database."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        self.asked.append((self._sql(statement), arguments))
        return await super()._fetch(statement, *arguments)

    async def _fetch_at_once(self, *questions: Any, settings: str | None = None) -> list[list[Any]]:
        self.asked += [(self._sql(statement), tuple(arguments)) for statement, *arguments in questions]
        return await super()._fetch_at_once(*questions, settings=settings)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database.app_url, min_size=1, max_size=2, server_settings=SETTINGS) as made:
        yield made


async def ask_everything(reader: Reader, shop: Shop) -> None:
    """Deep pages, sparse filters, and bounds in the midst of the journal; the first seller has half of it."""
    hot = shop.sellers[0]
    of_hot = shop.of(hot)
    middle, late = of_hot[len(of_hot) // 2], of_hot[-len(of_hot) // 5]
    window: dict[str, Any] = {"from_us": middle.at_us, "to_us": late.at_us}
    refund = next(entry for entry in of_hot if entry.type is EntryType.REFUND)
    sale = next(entry for entry in of_hot if entry.type in CHARGE_OPENERS and entry.reference and entry.idempotency_key)
    position = len(shop.entries) // 2

    for seller_id, before in ((hot, middle.seq), (None, position)):
        scope: dict[str, Any] = {"seller_id": seller_id, "limit": LIMIT}
        for type_ in (None, EntryType.CHARGE, EntryType.REFUND, EntryType.ADJUSTMENT, EntryType.SUSPENDED):
            await reader.transactions(type=type_, **scope)
            await reader.transactions(type=type_, before=before, **scope)
            await reader.transactions(type=type_, **window, **scope)
        for status in (None, ChargeStatus.COMPLETED, ChargeStatus.FAILED):
            await reader.charges(status=status, before=before, **scope)
        for status in (ChargeStatus.PENDING, ChargeStatus.VOIDED, ChargeStatus.REFUNDED):
            await reader.charges(status=status, **scope)
            await reader.charges(status=status, **window, **scope)
        for found_by in ("phone_number", "reference", "idempotency_key"):
            await reader.charges(**{found_by: getattr(sale, found_by)}, **scope)
        await reader.credit_requests(**scope)
        await reader.credit_requests(status=CreditRequestStatus.PENDING, **scope)
        await reader.after(position, seller_id=seller_id, limit=LIMIT)
        async for _ in reader.export(type=EntryType.REFUND, seller_id=seller_id):
            break
    assert refund.subject_id is not None
    await reader.transactions(seller_id=hot, charge_id=refund.subject_id, limit=LIMIT)
    await reader.transaction(hot, middle.id)
    await reader.charge(hot, refund.subject_id)
    await reader.credit_request(hot, middle.id)
    await reader.accounts(shop.sellers[:LIMIT])
    await reader.balance_at(hot, middle.at_us)
    await reader.statement(hot, None, middle.at_us)
    await reader.summary(shop.entries[-100].at_us)
    async for _ in reader.heads():
        break


async def test_every_page_costs_a_few_probes_with_plans_of_an_empty_journal(database: Database, pool: Any) -> None:
    shop = Shop(seed=3, sellers=5, mix=MOSTLY_CHARGES, credit=10**9)
    for _ in range(80):
        shop.play(150, shop.accounts[0]).play(150)
    first = Recorder(pool)
    await ask_everything(first, shop)
    planner = await asyncpg.connect(database.app_url, server_settings=SETTINGS)
    plans = {}
    for statement, arguments in first.asked:
        if statement not in plans:
            plans[statement] = await planner.prepare(statement)
            await plans[statement].fetch(*arguments)

    async with asyncpg.create_pool(database.owner_url, min_size=1, max_size=1) as owners:
        await shop.write(database.app_url, owners)
        await owners.execute("VACUUM cell_00.entries")
    second = Recorder(pool)
    await ask_everything(second, shop)
    assert len(shop.entries) > 20_000
    for statement, arguments in second.asked:
        if statement not in plans:
            plans[statement] = await planner.prepare(statement)
        plan = await explain(planner, plans[statement], arguments)
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        assert blocks <= BLOCKS_MAX, f"{blocks} blocks\n{statement}\n{arguments}\n{outline(plan)}"
        assert passed_over(plan) <= PASSED_OVER_MAX, f"{statement}\n{arguments}\n{outline(plan)}"
        assert not chooses_types(plan), f"{statement}\n{arguments}\n{outline(plan)}"
    await planner.close()


async def test_a_second_statement_counts_no_block_of_entries_again(
    database: Database, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_entries = 100
    monkeypatch.setattr(totals, "BLOCK_ENTRIES", block_entries)
    shop = Shop(seed=4, sellers=1).play(1_500)
    async with asyncpg.create_pool(database.owner_url, min_size=1, max_size=1) as owners:
        await shop.write(database.app_url, owners)
    hot, begin, end = shop.sellers[0], shop.entries[150].at_us, shop.entries[-150].at_us
    recorder = Recorder(pool)
    counted = []
    for from_us, to_us in ((None, None), (begin, end)):
        recorder.asked.clear()
        await recorder.statement(hot, from_us, to_us)
        ((firsts, lasts),) = [arguments[1:3] for text, arguments in recorder.asked if "unnest($2" in text]
        counted.append(sum(last + 1 - first for first, last in zip(firsts, lasts, strict=True)))
    assert counted[0] == len(shop.entries)
    assert counted[1] < 2 * block_entries


async def explain(connection: Any, statement: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """What the plan that the connection keeps for the statement did."""
    values = f"({', '.join(literal(argument) for argument in arguments)})" if arguments else ""
    text = await connection.fetchval(
        f'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE "{statement.get_name()}" {values}'
    )
    plan: dict[str, Any] = msgspec.json.decode(text)[0]["Plan"]
    return plan


def literal(argument: Any) -> str:
    if argument is None:
        return "NULL"
    if isinstance(argument, list | tuple):
        return "'{" + ",".join(str(each) for each in argument) + "}'"
    text = str(argument).replace("'", "''")
    return f"'{text}'"


def passed_over(plan: dict[str, Any]) -> float:
    own = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return max([own, *(passed_over(each) for each in plan.get("Plans", ()))])


def chooses_types(plan: dict[str, Any]) -> bool:
    """Whether a choice of types leads through an index: all entries of a chosen type that are passed on the way to the
    page are read then, and are not counted as removed."""
    return "(type = ANY" in plan.get("Index Cond", "") or any(map(chooses_types, plan.get("Plans", ())))


def outline(plan: dict[str, Any], depth: int = 0) -> str:
    index = plan.get("Index Name", "")
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    line = f"{'  ' * depth}{plan['Node Type']} {index} rows {plan['Actual Rows']} blocks {blocks}\n"
    return line + "".join(outline(each, depth + 1) for each in plan.get("Plans", ()))
