"""The reader beside the journal in memory that it was written from: every list, walked page by page, misses nothing
and repeats nothing, whatever the filters."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, TypeAlias

import asyncpg
import pytest

from journal.embedded import EmbeddedPostgres
from journal.entry import CHARGE_OPENERS, Entry, EntryType, Ledger, flow_of, moved
from journal.ids import entry_id, tag_of
from journal.projections import ChargeRow, ChargeStatus, CreditRequestRow, CreditRequestStatus, unwritten_charge
from journal.reader import Head, Key, PostedEntry, Reader, SubjectRecord, WrongKey
from journal.reading import totals
from journal.service_role import SERVICE_ROLE
from journal.store import JournalUnavailable
from tests.conftest import Database
from tests.journal.histories import START_US, Shop

STRANGER = "0192f3c4-5678-7abc-8def-0123456789ab"
NOBODY = entry_id(STRANGER, 1, START_US)


class Written:
    """A shop, the database that it was written into, and what the reader should find there."""

    def __init__(self, shop: Shop, database: Database) -> None:
        self.shop = shop
        self.database = database
        self.positions = {id(entry): position for position, entry in enumerate(shop.entries, 1)}
        self.currencies = {account.seller_id: account.currency for account in shop.accounts}

    def newest_first(self, seller_id: str | None, keep: "Keep" = lambda entry: True) -> list[Entry]:
        of = (e for e in reversed(self.shop.entries) if seller_id in (None, e.seller_id))
        return [entry for entry in of if keep(entry)]

    def charge(self, opening: Entry) -> ChargeRow:
        row = self.shop.rows.get((ChargeRow, opening.seller_id, opening.seq)) or unwritten_charge(opening)
        assert isinstance(row, ChargeRow)
        return row

    def request(self, opening: Entry) -> CreditRequestRow:
        row = self.shop.rows[CreditRequestRow, opening.seller_id, opening.seq]
        assert isinstance(row, CreditRequestRow)
        return row


@pytest.fixture(scope="module")
def written(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[Written]:
    """A small trade of everything there is, written once for the module; no test here changes it."""
    shop = Shop(seed=7, sellers=4).play(1000)
    database = Database("reader", postgres.url("owner", "reader"), postgres.url("app", "reader"))

    async def make() -> None:
        async with asyncpg.create_pool(postgres.url("owner", "postgres"), min_size=1, max_size=1) as pool:
            await pool.execute(f'CREATE DATABASE reader TEMPLATE "{migrated_template}"')
        async with asyncpg.create_pool(database.owner_url, min_size=1, max_size=1) as pool:
            await shop.write(database.app_url, pool)

    async def drop() -> None:
        async with asyncpg.create_pool(postgres.url("owner", "postgres"), min_size=1, max_size=1) as pool:
            await pool.execute("DROP DATABASE reader WITH (FORCE)")

    asyncio.run(make())
    yield Written(shop, database)
    asyncio.run(drop())


@pytest.fixture
async def reader(written: Written) -> AsyncIterator[Reader]:
    url = written.database.app_url
    async with asyncpg.create_pool(url, min_size=1, max_size=4, server_settings={"role": SERVICE_ROLE}) as pool:
        yield Reader(pool)


async def walk(find: Callable[..., Any], size: int, **filters: Any) -> list[Any]:
    """Every item of a list, page by page, as the service walks it: one item more than is shown."""
    items: list[Any] = []
    before: Key | None = None
    while True:
        found = await find(before=before, limit=size + 1, **filters)
        assert len(found) <= size + 1
        items += found[:size]
        if len(found) <= size:
            return items
        before = found[size - 1].key


def entries(posted: Sequence[PostedEntry]) -> list[Entry]:
    return [each.entry for each in posted]


def openings(records: Sequence[SubjectRecord]) -> list[Entry]:
    return [record.opening for record in records]


Window: TypeAlias = dict[str, Any]
Keep: TypeAlias = Callable[[Entry], bool]


def windows(shop: Shop) -> list[Window]:
    """No bounds, all kinds of bounds, bounds that fall on an entry, and an empty one."""
    times = [entry.at_us for entry in shop.entries]
    third, half, most = times[len(times) // 3], times[len(times) // 2], times[-len(times) // 4]
    bounds = [(None, None), (third, None), (None, half), (third, most), (half, half), (most, third), (0, times[0])]
    return [{"from_us": from_us, "to_us": to_us} for from_us, to_us in bounds]


def within(window: Window, entry: Entry) -> bool:
    from_us, to_us = window["from_us"], window["to_us"]
    return (from_us is None or entry.at_us >= from_us) and (to_us is None or entry.at_us < to_us)


def in_window_of_type(window: Window, type_: EntryType | None) -> Keep:
    return lambda entry: within(window, entry) and type_ in (None, entry.type)


def of_charge(charge_id: str | None) -> Keep:
    return lambda entry: entry.charge_id == charge_id


def scopes(shop: Shop) -> list[str | None]:
    return [None, shop.sellers[0], shop.sellers[3]]


# --- transactions -----------------------------------------------------------------------------------------


async def test_entries_are_found_by_type_and_time_of_one_seller_and_of_all(written: Written, reader: Reader) -> None:
    seen: set[str] = set()
    for seller_id in scopes(written.shop):
        for window in windows(written.shop):
            for type_ in (None, *EntryType):
                expected = written.newest_first(seller_id, in_window_of_type(window, type_))
                size = 100 if type_ is None else 7
                found = await walk(reader.transactions, size, seller_id=seller_id, type=type_, **window)
                assert entries(found) == expected, (seller_id, window, type_)
                seen.update(entry.type for entry in expected)
    assert seen == set(EntryType), "the trade that this was tried on lacks something"


async def test_an_entry_comes_with_its_position_and_currency(written: Written, reader: Reader) -> None:
    for seller_id in scopes(written.shop):
        for posted in await reader.transactions(seller_id=seller_id, limit=60):
            assert written.shop.entries[posted.position - 1] == posted.entry
            assert posted.currency == written.currencies[posted.entry.seller_id]


async def test_the_entries_of_a_charge_are_its_opening_and_what_followed(written: Written, reader: Reader) -> None:
    for opening in written.newest_first(None, lambda e: e.type in CHARGE_OPENERS)[:50]:
        one: dict[str, Any] = {"seller_id": opening.seller_id, "charge_id": opening.id}
        story = written.newest_first(opening.seller_id, of_charge(opening.id))
        assert entries(await walk(reader.transactions, 1, **one)) == story
        for type_ in {entry.type for entry in story}:
            expected = [entry for entry in story if entry.type is type_]
            assert entries(await reader.transactions(type=type_, limit=9, **one)) == expected
        if len(story) > 1:
            since = {"from_us": story[0].at_us, **one}
            assert entries(await reader.transactions(limit=9, **since)) == [
                e for e in story if e.at_us >= story[0].at_us
            ]


async def test_what_is_no_charge_has_no_entries(written: Written, reader: Reader) -> None:
    request = written.newest_first(None, lambda e: e.type is EntryType.CREDIT_REQUESTED)[0]
    for charge_id in (request.id, NOBODY):
        assert await reader.transactions(seller_id=request.seller_id, charge_id=charge_id, limit=9) == []
        assert [c async for c in reader.export(seller_id=request.seller_id, charge_id=charge_id)] == []


async def test_one_entry_is_found_by_its_id_and_by_no_id_that_only_resembles_it(
    written: Written, reader: Reader
) -> None:
    for entry in written.shop.entries[::97]:
        posted = await reader.transaction(entry.seller_id, entry.id)
        assert posted is not None
        assert posted.entry == entry
        assert posted.position == written.positions[id(entry)]
        another_time = entry_id(entry.seller_id, entry.seq, entry.at_us + 1000)
        assert await reader.transaction(entry.seller_id, another_time) is None
        assert await reader.transaction(entry.seller_id, entry.id[:-8] + tag_of(STRANGER)) is None
    assert await reader.transaction(STRANGER, NOBODY) is None


async def test_an_export_is_the_list_the_other_way_round(written: Written, reader: Reader) -> None:
    for seller_id in scopes(written.shop):
        for window in windows(written.shop):
            for type_ in (None, EntryType.CHARGE, EntryType.REFUND):
                chunks = [chunk async for chunk in reader.export(seller_id=seller_id, type=type_, **window)]
                expected = written.newest_first(seller_id, in_window_of_type(window, type_))
                assert entries([posted for chunk in chunks for posted in chunk]) == expected[::-1]
    assert len([chunk async for chunk in reader.export()]) > 1
    opening = next(e for e in written.shop.entries if e.type is EntryType.CAPTURE)
    story = [e for e in written.shop.of(opening.seller_id) if e.charge_id == opening.charge_id]
    assert opening.charge_id is not None
    chunks = [c async for c in reader.export(seller_id=opening.seller_id, charge_id=opening.charge_id)]
    assert entries([posted for chunk in chunks for posted in chunk]) == story


async def test_what_comes_after_a_position_comes_in_order(written: Written, reader: Reader) -> None:
    for seller_id in scopes(written.shop):
        for position in (0, 1, 500, len(written.shop.entries) - 1, len(written.shop.entries)):
            expected = [e for e in written.shop.entries[position:] if seller_id in (None, e.seller_id)]
            found = await reader.after(position, seller_id=seller_id, limit=30)
            assert entries(found) == expected[:30]
            assert all(a.position < b.position for a, b in pairwise(found))


# --- charges and credit requests --------------------------------------------------------------------------


def charge_filters(written: Written) -> list[dict[str, Any]]:
    sold = written.newest_first(written.shop.sellers[0], lambda e: e.type in CHARGE_OPENERS)
    keyed = next(e for e in sold if e.idempotency_key is not None)
    referred = next(e for e in sold if e.reference is not None)
    found_by: list[dict[str, Any]] = [
        {"phone_number": sold[0].phone_number},
        {"phone_number": "+15550109999"},
        {"reference": referred.reference},
        {"reference": "no such"},
        {"idempotency_key": keyed.idempotency_key},
        {"idempotency_key": keyed.idempotency_key, "status": written.charge(keyed).status},
        {"idempotency_key": keyed.idempotency_key, "reference": "no such"},
        {"phone_number": referred.phone_number, "reference": referred.reference},
        {"phone_number": sold[0].phone_number, "status": ChargeStatus.COMPLETED},
        {"phone_number": sold[0].phone_number, "status": ChargeStatus.EXPIRED},
    ]
    return found_by + [{"status": status} for status in (None, *ChargeStatus)]


async def test_charges_are_found_by_whatever_they_are_looked_for(written: Written, reader: Reader) -> None:
    seen: set[str] = set()
    for seller_id in scopes(written.shop):
        for window in windows(written.shop):
            for filters in charge_filters(written):

                def fits(e: Entry, window: Any = window, filters: Any = filters) -> bool:
                    return (
                        e.type in CHARGE_OPENERS
                        and within(window, e)
                        and all(
                            wanted is None
                            or (written.charge(e).status if name == "status" else getattr(e, name)) == wanted
                            for name, wanted in filters.items()
                        )
                    )

                expected = written.newest_first(seller_id, fits)
                found = await walk(reader.charges, 11, seller_id=seller_id, **window, **filters)
                assert openings(found) == expected, (seller_id, window, filters)
                seen.update(written.charge(opening).status for opening in expected)
    assert seen == set(ChargeStatus)


async def test_an_admins_key_finds_no_charge(written: Written, reader: Reader) -> None:
    refund = written.newest_first(None, lambda e: e.type is EntryType.REFUND and e.idempotency_key is not None)[0]
    for seller_id in (None, refund.seller_id):
        assert await reader.charges(seller_id=seller_id, idempotency_key=refund.idempotency_key, limit=9) == []


async def test_a_charge_comes_with_the_entry_that_spoke_of_it_last(written: Written, reader: Reader) -> None:
    for opening in written.newest_first(None, lambda e: e.type in CHARGE_OPENERS)[:60]:
        last = written.newest_first(opening.seller_id, of_charge(opening.id))[0]
        record = await reader.charge(opening.seller_id, opening.id)
        assert record is not None
        assert (record.opening, record.last) == (opening, last)
        assert record.currency == written.currencies[opening.seller_id]
        (listed,) = await reader.charges(seller_id=opening.seller_id, before=opening.seq + 1, limit=1)
        assert (listed.opening, listed.last, listed.currency) == (record.opening, record.last, record.currency)


async def test_what_is_no_charge_is_not_found_as_one(written: Written, reader: Reader) -> None:
    request = written.newest_first(None, lambda e: e.type is EntryType.CREDIT_REQUESTED)[0]
    capture = written.newest_first(None, lambda e: e.type is EntryType.CAPTURE)[0]
    charge = written.newest_first(None, lambda e: e.type is EntryType.CHARGE)[0]
    assert await reader.charge(request.seller_id, request.id) is None
    assert await reader.charge(capture.seller_id, capture.id) is None
    assert await reader.charge(STRANGER, charge.id) is None
    assert await reader.credit_request(charge.seller_id, charge.id) is None
    assert await reader.credit_request(STRANGER, request.id) is None


async def test_credit_requests_are_found_by_status(written: Written, reader: Reader) -> None:
    seen: set[str] = set()
    for seller_id in scopes(written.shop):
        for status in (None, *CreditRequestStatus):
            asked = written.newest_first(seller_id, lambda e: e.type is EntryType.CREDIT_REQUESTED)
            expected = [opening for opening in asked if status in (None, written.request(opening).status)]
            found = await walk(reader.credit_requests, 3, seller_id=seller_id, status=status)
            assert openings(found) == expected
            for record in found:
                story = [
                    e for e in written.shop.of(record.opening.seller_id) if e.credit_request_id == record.opening.id
                ]
                assert (record.opening, record.last) == (story[0], story[-1])
                assert record.currency == written.currencies[record.opening.seller_id]
            seen.update(written.request(opening).status for opening in expected)
    assert seen == set(CreditRequestStatus)
    one = written.newest_first(None, lambda e: e.type is EntryType.CREDIT_REQUESTED)[5]
    record = await reader.credit_request(one.seller_id, one.id)
    assert record is not None
    assert record.opening == one
    assert record.last.seq == written.request(one).last_seq


async def test_a_key_of_another_list_is_refused(written: Written, reader: Reader) -> None:
    with pytest.raises(WrongKey):
        await reader.charges(before=NOBODY, limit=1)
    with pytest.raises(WrongKey):
        await reader.charges(status=ChargeStatus.VOIDED, before=7, limit=1)
    with pytest.raises(WrongKey):
        await reader.credit_requests(before="'", limit=1)


# --- accounts and sums ------------------------------------------------------------------------------------


async def test_accounts_are_as_of_their_last_entries(written: Written, reader: Reader) -> None:
    accounts = await reader.accounts([*written.shop.sellers, STRANGER])
    assert list(accounts) != []
    assert set(accounts) == set(written.shop.sellers)
    for account in written.shop.accounts:
        state, view = accounts[account.seller_id], account.view()
        assert {name: getattr(state, name) for name in state.__struct_fields__} == {
            name: getattr(view, name) for name in state.__struct_fields__
        }
    assert await reader.accounts([]) == {}


async def test_a_former_balance_is_the_last_entrys_at_that_time_inclusive(written: Written, reader: Reader) -> None:
    seller_id = written.shop.sellers[0]
    of_seller = written.shop.of(seller_id)
    times = sorted({moment for entry in of_seller[::13] for moment in (entry.at_us - 1, entry.at_us, entry.at_us + 1)})
    assert any(a.at_us == b.at_us for a, b in pairwise(of_seller)), "no two entries at the same time to try it on"
    for at_us in [0, *times, 2**63 - 1]:
        expected = [entry for entry in of_seller if entry.at_us <= at_us]
        assert await reader.balance_at(seller_id, at_us) == (expected[-1] if expected else None), at_us
    assert await reader.balance_at(STRANGER, START_US) is None


@pytest.mark.parametrize("block_entries", [1, 7, 10_000])
async def test_a_statement_adds_up_from_one_balance_to_the_other(
    written: Written, reader: Reader, block_entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is put together from blocks, all of them counted anew, some of them, or none."""
    monkeypatch.setattr(totals, "BLOCK_ENTRIES", block_entries)
    for seller_id in written.shop.sellers:
        for window in windows(written.shop) * 2:
            await adds_up(written.shop, reader, seller_id, window)
    assert await reader.statement(STRANGER, None, None) is None


async def test_a_statement_is_not_of_what_a_restore_took_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "BLOCK_ENTRIES", 10)
    shop = Shop(seed=8, sellers=2).play(200)
    restored = deepcopy(shop)
    shop.play(300)
    restored.random.seed(9)
    restored.play(300)
    server_settings = {"role": SERVICE_ROLE}
    async with (
        asyncpg.create_pool(database.app_url, min_size=1, max_size=2, server_settings=server_settings) as pool,
        asyncpg.create_pool(database.owner_url, min_size=1, max_size=1) as owners,
    ):
        reader = Reader(pool)
        for history in (shop, restored):
            await owners.execute("ALTER TABLE cell_00.entries DISABLE TRIGGER USER")
            await owners.execute("TRUNCATE cell_00.entries, cell_00.accounts, cell_00.charges, cell_00.credit_requests")
            await owners.execute("TRUNCATE shop.users CASCADE")
            await history.write(database.app_url, owners)
            for seller_id in history.sellers:
                await adds_up(history, reader, seller_id, {"from_us": None, "to_us": None})


async def adds_up(shop: Shop, reader: Reader, seller_id: str, window: Window) -> None:
    statement = await reader.statement(seller_id, **window)
    assert statement is not None
    inside = [entry for entry in shop.of(seller_id) if within(window, entry)]
    before = [entry for entry in shop.of(seller_id) if window["from_us"] and entry.at_us < window["from_us"]]
    opening = before[-1].available_after if before else 0
    assert statement.currency == next(account.currency for account in shop.accounts if account.seller_id == seller_id)
    assert statement.entries == len(inside)
    assert statement.opening_balance == opening
    assert statement.closing_balance == (inside[-1].available_after if inside else opening)
    assert {type_: (total.count, total.amount) for type_, total in statement.totals.items()} == {
        type_: (
            sum(entry.type is type_ for entry in inside),
            sum(entry.amount for entry in inside if entry.type is type_),
        )
        for type_ in {entry.type for entry in inside}
    }


async def test_the_trial_balance_is_the_sum_of_everything(written: Written, reader: Reader) -> None:
    trial = await reader.trial_balance()
    assert [each.currency for each in trial.currencies] == ["BHD", "JPY", "USD"]
    for each in trial.currencies:
        of_currency = [e for e in written.shop.entries if written.currencies[e.seller_id] == each.currency]
        debits = dict.fromkeys(Ledger, 0)
        credits = dict.fromkeys(Ledger, 0)
        for entry in of_currency:
            flow = flow_of(entry)
            if flow is not None:
                debits[flow[0]] += moved(entry)
                credits[flow[1]] += moved(entry)
        assert {a.account: (a.debits, a.credits, a.balance) for a in each.accounts} == {
            ledger: (debits[ledger], credits[ledger], credits[ledger] - debits[ledger]) for ledger in Ledger
        }
        assert each.is_balanced
        assert each.total_debits == each.total_credits == sum(debits.values())
        accounts = [account for account in written.shop.accounts if account.currency == each.currency]
        assert each.accounts[0].balance == sum(account.available for account in accounts)
        assert each.accounts[1].balance == sum(account.held for account in accounts)


async def test_a_summary_adds_up_what_all_sellers_did_since_a_time(written: Written, reader: Reader) -> None:
    shop = written.shop
    for from_us in (0, shop.entries[len(shop.entries) // 3].at_us, shop.entries[-1].at_us, 2**60):
        summary = await reader.summary(from_us)
        assert summary.position == len(shop.entries)
        assert [each.currency for each in summary.currencies] == ["USD", "BHD", "JPY"]
        for each in summary.currencies:
            accounts = [account for account in shop.accounts if account.currency == each.currency]
            assert each.sellers == len(accounts)
            assert each.available == sum(account.available for account in accounts)
            assert each.held == sum(account.held for account in accounts)
            done = [e for e in shop.entries if e.at_us >= from_us and written.currencies[e.seller_id] == each.currency]
            assert {type_: (total.count, total.amount) for type_, total in each.totals.items()} == {
                type_: (sum(e.type is type_ for e in done), sum(e.amount for e in done if e.type is type_))
                for type_ in {e.type for e in done}
            }
            sold = Counter[str]()
            for entry in done:
                flow = flow_of(entry)
                if flow is not None and flow[1] is Ledger.SALES:
                    sold[entry.seller_id] += moved(entry)
            assert each.sold == sold.total()
            assert each.best == sorted(sold.items(), key=lambda item: (-item[1], item[0]))


async def test_lists_go_on_while_many_ask_for_sums(written: Written, reader: Reader) -> None:
    """In a large journal a sum takes seconds; here each waits for a lock."""
    owner = await asyncpg.connect(written.database.owner_url)
    async with asyncio.timeout(30):
        async with owner.transaction():
            await owner.execute("LOCK TABLE cell_00.accounts")
            sums = [asyncio.ensure_future(reader.summary(0)) for _ in range(8)]
            while len(await owner.fetch("SELECT FROM pg_locks WHERE NOT granted")) < 2:
                await asyncio.sleep(0)
            assert await reader.balance_at(written.shop.sellers[0], 2**62) is not None
        await asyncio.gather(*sums)
    await owner.close()


async def test_heads_are_the_last_entries_of_all_sellers(written: Written, reader: Reader) -> None:
    heads = [head async for head in reader.heads()]
    assert heads == [
        Head(account.seller_id, account.seq, account.last_hash)
        for account in sorted(written.shop.accounts, key=lambda account: account.seller_id)
    ]


async def test_a_database_that_is_away_is_named_as_such(written: Written) -> None:
    pool = await asyncpg.create_pool(written.database.app_url, min_size=1, max_size=1)
    reader = Reader(pool)
    await pool.close()
    with pytest.raises(JournalUnavailable):
        await reader.transactions(limit=1)
    with pytest.raises(JournalUnavailable):
        await reader.trial_balance()
