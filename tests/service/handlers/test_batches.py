"""Batches: what a program gets when it sends many charges at once."""

import asyncio
import gc
from collections import deque
from statistics import median
from typing import Any

import asyncpg
import pytest

import actors.actor
from actors.account import Account, Decision, Rules, decide
from actors.commands import Command, Done, Refusal, RefusalCode, Settle
from journal.committer import Submission
from journal.entry import GENESIS_HASH, Entry, EntryType
from journal.money import format_minor
from journal.store import JournalFault, NotApplied, OutcomeUnknown
from service.handlers.batches import PART, PARTS_UNDER_WAY_MAX, _fault_of_all
from service.turnstile import ENTRIES_PER_TURN, ON_THEIR_WAY_MAX
from tests.conftest import Database
from tests.service.shop import PHONE, Shop, User, open_shop


def items(*amounts: str, **more: Any) -> list[dict[str, Any]]:
    return [{"phone_number": PHONE, "amount": amount, **more} for amount in amounts]


async def batch(seller: User, mode: str, charges: list[dict[str, Any]]) -> Any:
    return await seller.done("POST", "/v1/charges/batch", {"mode": mode, "charges": charges})


async def test_independent_charges_sell_while_the_credit_lasts(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    answer = await batch(seller, "independent", items("4.00", "7.00", "6.00", "0.01"))
    assert (answer["completed"], answer["failed"]) == (2, 2)
    assert [(each["index"], each["status"], each["code"]) for each in answer["results"]] == [
        (0, "completed", None),
        (1, "failed", "insufficient_credit"),
        (2, "completed", None),
        (3, "failed", "insufficient_credit"),
    ]
    assert answer["balance"] == {"available": "0.00", "held": "0.00"}
    for each in answer["results"]:
        charge = await seller.done("GET", f"/v1/charges/{each['id']}")
        assert (charge["status"], charge["failure_code"]) == (each["status"], each["code"])


async def test_an_atomic_batch_sells_all_or_nothing_and_remembers_either(shop: Shop, database: Database) -> None:
    seller = await shop.seller("10.00")
    sold = [item | {"idempotency_key": f"a{n}"} for n, item in enumerate(items("1.00", "2.00", "3.00"))]
    first = await batch(seller, "atomic", sold)
    assert (first["completed"], first["balance"]["available"]) == (3, "4.00")
    lost = [item | {"idempotency_key": f"b{n}"} for n, item in enumerate(items("3.00", "2.00", "1.00"))]
    second = await batch(seller, "atomic", lost)
    assert [each["code"] for each in second["results"]] == ["batch_aborted", "insufficient_credit", "batch_aborted"]
    assert (second["completed"], second["failed"], second["balance"]["available"]) == (0, 3, "4.00")
    aborted = await seller.done("GET", f"/v1/charges/{second['results'][0]['id']}")
    assert (aborted["status"], aborted["amount"], aborted["failure_code"]) == ("failed", "3.00", "batch_aborted")

    assert await batch(seller, "atomic", sold) == first
    assert await batch(seller, "atomic", lost) == second
    some = await seller.post("/v1/charges/batch", {"mode": "atomic", "charges": [*sold, *items("1.00")]})
    assert (some.status, some.code) == (422, "idempotency_key_reused")
    assert [error["field"] for error in some.json["errors"]] == ["charges"]
    assert await seller.balance() == ("4.00", "0.00")


async def test_keys_are_shared_with_single_charges_and_outlive_a_restart(database: Database) -> None:
    async with open_shop(database) as shop:
        seller = await shop.seller("10.00")
        single = await seller.sell("1.00", key="shared")
        charges = [
            *(item | {"idempotency_key": "shared"} for item in items("1.00", "9.00")),
            *(item | {"idempotency_key": "new"} for item in items("2.00", "2.00")),
        ]
        first = await batch(seller, "independent", charges)
        results = first["results"]
        assert [each["code"] for each in results] == [None, "idempotency_key_reused", None, None]
        assert results[0]["id"] == single.json["id"]
        assert results[2]["id"] == results[3]["id"]
        assert await seller.balance() == ("7.00", "0.00")
    async with open_shop(database) as again:
        known = again.known(seller)
        assert await batch(known, "independent", charges) == first
        assert (await known.sell("2.00", key="new")).json["id"] == results[2]["id"]
        assert await known.balance() == ("7.00", "0.00")


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_ten_thousand_charges_and_others_are_served_meanwhile(shop: Shop, mode: str) -> None:
    seller, other = await shop.seller("1000.00"), await shop.seller("1000.00")
    charges = [item | {"idempotency_key": f"{n}"} for n, item in enumerate(items(*["0.01"] * 10_000))]
    running = asyncio.ensure_future(batch(seller, mode, charges))
    served = 0
    while not running.done():
        assert (await other.sell("0.01")).status == 201
        served += 1
    answer = await running
    assert (answer["completed"], answer["failed"], answer["balance"]["available"]) == (10_000, 0, "900.00")
    assert len({each["id"] for each in answer["results"]}) == 10_000
    assert served > 1
    assert await batch(seller, mode, charges) == answer


async def test_a_charge_waits_behind_a_turn_of_each_batch_and_what_is_on_its_way(
    shop: Shop, database: Database
) -> None:
    sellers, other = [await shop.seller("1000.00") for _ in range(8)], await shop.seller("1000.00")
    owner = await asyncpg.connect(database.owner_url)
    running = asyncio.gather(*(batch(each, "independent", items(*["0.01"] * 3000)) for each in sellers))
    ahead = []
    while not running.done():
        before = await owner.fetchval("SELECT max(position) FROM cell_00.entries")
        assert (await other.sell("0.01")).status == 201
        of_it = "SELECT max(position) FROM cell_00.entries WHERE seller_id = $1"
        ahead.append(await owner.fetchval(of_it, other.id) - before)
    await owner.close()
    await running
    # Twice as many turns as there are batches: some pass between the look at the journal and the request.
    assert median(ahead) <= ON_THEIR_WAY_MAX + 2 * len(sellers) * ENTRIES_PER_TURN


async def test_what_is_malformed_refuses_the_whole_and_names_each_item(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    charges = [*items("1.00", "0"), {"phone_number": "nonsense", "amount": "x"}]
    refused = await seller.post("/v1/charges/batch", {"mode": "independent", "charges": charges})
    assert (refused.status, refused.code) == (422, "validation_failed")
    assert [error["field"] for error in refused.json["errors"]] == [
        "charges.1.amount",
        "charges.2.phone_number",
        "charges.2.amount",
    ]
    assert await seller.balance() == ("10.00", "0.00")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "independent", "charges": []}, "charges"),
        ({"mode": "independent", "charges": items(*["1.00"] * 10_001)}, "charges"),
        ({"mode": "sometimes", "charges": items("1.00")}, "mode"),
        ({"charges": items("1.00")}, "mode"),
        ({"mode": "atomic", "charges": items("1.00", idempotency_key="")}, "charges.0.idempotency_key"),
        ({"mode": "atomic", "charges": items("1.00", idempotency_key="ü")}, "charges.0.idempotency_key"),
        ({"mode": "atomic", "charges": items("1.00", idempotency_key="x" * 256)}, "charges.0.idempotency_key"),
        ({"mode": "atomic", "charges": items("1.00", idempotency_key="x\n")}, "charges.0.idempotency_key"),
        (
            {"mode": "independent", "charges": items("1.00", idempotency_key="x" * 255 + "\n")},
            "charges.0.idempotency_key",
        ),
    ],
)
async def test_the_shape_of_a_batch_is_held_to(shop: Shop, body: Any, field: str) -> None:
    seller = await shop.seller("10.00")
    refused = await seller.post("/v1/charges/batch", body)
    assert (refused.status, refused.code) == (422, "validation_failed")
    assert field in [error["field"] for error in refused.json["errors"]]


async def test_a_batch_takes_no_key_of_its_own(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    refused = await seller.post("/v1/charges/batch", {"mode": "atomic", "charges": items("1.00")}, key="key")
    assert (refused.status, refused.code) == (422, "validation_failed")


async def test_a_suspended_seller_repeats_but_sells_nothing_new(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    sold = [item | {"idempotency_key": f"k{n}"} for n, item in enumerate(items("1.00", "2.00"))]
    first = await batch(seller, "atomic", sold)
    await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"status": "suspended"})
    assert await batch(seller, "atomic", sold) == first
    assert await batch(seller, "independent", sold) == first
    for mode in ("atomic", "independent"):
        refused = await seller.post("/v1/charges/batch", {"mode": mode, "charges": items(*["1.00"] * 100)})
        assert (refused.status, refused.code) == (403, "seller_suspended")
    each = await batch(seller, "independent", [*sold, *items("1.00")])
    assert each["results"][:2] == first["results"]
    assert each["results"][2] == {"index": 2, "status": "failed", "id": None, "code": "seller_suspended"}


ENTRY = Entry(
    seller_id="0195f3a2-c4b0-7000-8000-002a5d3e9c41",
    seq=2,
    at_us=1,
    type=EntryType.CHARGE,
    amount=-1,
    available_after=0,
    held_after=0,
    credit_limit=0,
    made_by=None,
    previous_hash=GENESIS_HASH,
)
WRITTEN = Done(ENTRY, 2, "USD")
REFUSED = Refusal(RefusalCode.SELLER_SUSPENDED, "suspended")


@pytest.mark.parametrize(
    ("results", "faults", "expected"),
    [
        ([], [NotApplied("lost"), NotApplied("queued behind it")], NotApplied),
        ([], [OutcomeUnknown("lost"), NotApplied("queued behind it")], OutcomeUnknown),
        ([], [NotApplied("lost"), OutcomeUnknown("stopped")], OutcomeUnknown),
        ([WRITTEN], [NotApplied("lost")], OutcomeUnknown),
        ([REFUSED, WRITTEN], [NotApplied("lost")], OutcomeUnknown),
        ([REFUSED], [NotApplied("lost")], NotApplied),
    ],
)
def test_what_may_be_sold_is_never_said_to_be_not_applied(
    results: list[Done | Refusal], faults: list[Exception], expected: type[JournalFault]
) -> None:
    """Or a client would send it again without a key, and sell it twice."""
    assert type(_fault_of_all(deque(results), faults)) is expected


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_a_batch_that_is_sold_while_the_service_stops_is_answered(
    shop: Shop, database: Database, mode: str
) -> None:
    """With the balance after it: the present one cannot be asked for any more."""
    seller = await shop.seller("10.00")
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        running = asyncio.ensure_future(batch(seller, mode, items(*["0.01"] * PART)))
        async with asyncio.timeout(10):
            while shop.services.journal.on_their_way < PART:
                await asyncio.sleep(0.01)
        shop.services.directory.drain()
    await owner.close()
    answer = await running
    assert answer["completed"] == PART
    assert answer["balance"] == {"available": format_minor(1000 - PART, "USD"), "held": "0.00"}


async def test_a_batch_that_has_begun_is_finished_when_the_service_stops(shop: Shop, database: Database) -> None:
    """Without keys nobody could tell how far it has come."""
    parts = PARTS_UNDER_WAY_MAX + 2
    seller = await shop.seller("100.00")
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        running = asyncio.ensure_future(batch(seller, "independent", items(*["0.01"] * PART * parts)))
        async with asyncio.timeout(10):
            while shop.services.journal.on_their_way < PART:
                await asyncio.sleep(0.01)
        shop.services.directory.drain()
        late = await seller.post("/v1/charges/batch", {"mode": "independent", "charges": items("0.01")})
    await owner.close()
    assert (late.status, late.code) == (503, "draining")
    answer = await running
    assert (answer["completed"], answer["failed"]) == (PART * parts, 0)
    assert answer["balance"] == {"available": format_minor(10_000 - PART * parts, "USD"), "held": "0.00"}


async def test_a_batch_that_only_repeats_is_never_answered_with_the_balance_of_its_time(
    shop: Shop, database: Database
) -> None:
    """The present one cannot be asked for, as the service stops; but what it repeats was sold long ago."""
    seller = await shop.seller("10.00")
    charges = [item | {"idempotency_key": f"{number}"} for number, item in enumerate(items("1.00", "2.00"))]
    assert (await batch(seller, "independent", charges))["balance"]["available"] == "7.00"
    await seller.sell("4.00")
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        selling = asyncio.ensure_future(seller.sell("1.00"))
        async with asyncio.timeout(10):
            while shop.services.journal.on_their_way < 1:
                await asyncio.sleep(0.01)
            repeating = asyncio.ensure_future(
                seller.post("/v1/charges/batch", {"mode": "independent", "charges": charges})
            )
            while shop.services.directory.in_flight != 2:
                await asyncio.sleep(0.01)
        shop.services.directory.drain()
    await owner.close()
    assert (await selling).status == 201
    answer = await repeating
    assert (answer.status, answer.code) == (503, "outcome_unknown")


async def test_a_bug_in_one_part_does_not_hide_that_another_is_sold(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The parts under way with it are waited for, and the same batch again tells what was sold."""
    seller = await shop.seller("1000.00")
    charges = [
        item | {"idempotency_key": f"{number}"}
        for number, item in enumerate(items(*["0.01"] * PART, *["0.02"] * PART, *["0.03"] * PART))
    ]
    submit = shop.services.journal.submit

    def submit_first_part_only(submission: Submission) -> None:
        # Not by `assert`: to show how two long lists differ takes longer than the lease lasts on a slow machine.
        if [entry.amount for entry in submission.entries] != [-1] * PART:
            raise AssertionError("a planted bug")
        submit(submission)

    with monkeypatch.context() as planted:
        planted.setattr(shop.services.journal, "submit", submit_first_part_only)
        answer = await seller.post("/v1/charges/batch", {"mode": "independent", "charges": charges})
    assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert await seller.balance() == (format_minor(100_000 - PART, "USD"), "0.00")
    assert (await batch(seller, "independent", charges))["completed"] == 3 * PART
    assert await seller.balance() == (format_minor(100_000 - 6 * PART, "USD"), "0.00")
    gc.collect()
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_a_bug_after_a_batch_is_sold_does_not_hide_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The balance is that after the last of the charges."""
    seller = await shop.seller("10.00")

    def decide_but_settle(account: Account, command: Command, now_us: int, rules: Rules) -> Decision:
        assert not isinstance(command, Settle), "a planted bug"
        return decide(account, command, now_us, rules)

    with monkeypatch.context() as planted:
        planted.setattr(actors.actor, "decide", decide_but_settle)
        answer = await batch(seller, mode, items("1.00", "2.00"))
    assert (answer["completed"], answer["balance"]["available"]) == (2, "7.00")
    assert await seller.balance() == ("7.00", "0.00")
