"""What is read of an account: balance, transactions, statement, trial balance, export; each as the journal has it."""

import asyncio
import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from tests.service.handlers.walking import walk
from tests.service.shop import PHONE, Shop, User


async def play(shop: Shop) -> User:
    """A seller with a little of everything."""
    seller = await shop.seller("100.00")
    sold = (await seller.sell("10.00", reference="=1+1", key="k;=2+2", metadata={"b": "x", "a": '"'})).json["id"]
    held = (await seller.sell("20.00", capture=False)).json["id"]
    await seller.done("POST", f"/v1/charges/{held}/capture", {"amount": "15"})
    await seller.sell("1000")
    await shop.admin.done("POST", f"/v1/charges/{sold}/refund", {"amount": "4", "reason": '=HYPERLINK("x")'})
    wish = await seller.done("POST", "/v1/credit-requests", {"amount": "5", "note": "-1"})
    await shop.admin.done("POST", f"/v1/credit-requests/{wish['id']}/approve", {"note": "@home"})
    adjustment = {"amount": "3", "direction": "debit", "reason": '+plus, "quoted"\r\nlines'}
    await shop.admin.done("POST", f"/v1/sellers/{seller.id}/adjustments", adjustment)
    await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"credit_limit": "50", "status": "suspended"})
    return seller


TYPES = [
    *("opened", "adjustment", "charge", "hold", "void", "capture", "declined", "refund", "credit_requested"),
    *("credit", "adjustment", "suspended", "limit_changed"),
]


async def transactions(user: User, **query: str) -> list[Any]:
    """Oldest first."""
    walked = [each async for page in walk(user, "/v1/transactions", **{"limit": "4", **query}) for each in page]
    return walked[::-1]


def receipt(t: dict[str, Any]) -> str:
    """As the documentation of the chain gives it to auditors."""

    def minor(money: str) -> int:
        return int(money.replace(".", ""))

    since = datetime.fromisoformat(t["created_at"]) - datetime(1970, 1, 1, tzinfo=UTC)
    preimage = [
        *("charge-shop/1", t["seller_id"], t["seq"], t["type"], minor(t["amount"]), minor(t["held_change"])),
        *(minor(t["available_after"]), minor(t["held_after"]), t["charge_id"], t["credit_request_id"]),
        *(t["made_by"], t["reason"], t["details"], since // timedelta(microseconds=1), t["previous_hash"]),
    ]
    text = json.dumps(preimage, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def test_the_journal_is_whole_and_every_hash_can_be_recomputed(shop: Shop) -> None:
    seller = await play(shop)
    found = await transactions(seller)
    assert [each["type"] for each in found] == TYPES
    assert [each["seq"] for each in found] == list(range(1, len(TYPES) + 1))
    previous, available, held = "0" * 64, Decimal(0), Decimal(0)
    for each in found:
        assert each["previous_hash"] == previous
        assert receipt(each) == each["hash"]
        previous = each["hash"]
        available += Decimal(each["amount"])
        held += Decimal(each["held_change"])
        assert (Decimal(each["available_after"]), Decimal(each["held_after"])) == (available, held)
        assert await seller.done("GET", f"/v1/transactions/{each['id']}") == each
    assert found[0]["made_by"] == "system"
    assert found[0]["details"] == {"currency": "USD"}
    assert list(found[2]["details"]) == ["phone_number", "reference", "metadata", "idempotency_key", "request_hash"]
    assert found[6]["details"]["amount"] == "1000.00"
    assert found[12]["details"] == {"credit_limit": "50.00"}


async def test_transactions_are_filtered(shop: Shop) -> None:
    seller, other = await play(shop), await shop.seller("5.00")
    found = await transactions(seller)
    by_type = await transactions(seller, type="adjustment")
    assert [each["seq"] for each in by_type] == [2, 11]
    charge = found[3]["charge_id"]
    assert [each["type"] for each in await transactions(seller, charge_id=charge)] == ["hold", "void", "capture"]
    assert await transactions(shop.admin, charge_id=charge) == await transactions(seller, charge_id=charge)
    assert await transactions(other, charge_id=charge) == []
    middle = found[6]["created_at"]
    assert [each["seq"] for each in await transactions(seller, **{"from": middle})] == list(range(7, 14))
    assert [each["seq"] for each in await transactions(seller, to=middle)] == list(range(1, 7))
    everybodys = await transactions(shop.admin)
    assert [each["position"] for each in everybodys] == list(range(1, len(everybodys) + 1))
    assert [each for each in everybodys if each["seller_id"] == seller.id] == found
    assert await transactions(shop.admin, seller_id=seller.id) == found
    assert (await other.get(f"/v1/transactions/{found[0]['id']}")).code == "not_found"
    assert (await other.get("/v1/transactions", seller_id=seller.id)).code == "not_found"
    for bad in ({"type": "sale"}, {"charge_id": "x"}, {"from": "yesterday"}, {"limit": "1000"}):
        assert (await seller.get("/v1/transactions", **bad)).code == "validation_failed", bad


async def test_one_of_a_seller_that_is_named_is_that_sellers(shop: Shop) -> None:
    """Named by an admin, or by the seller itself; every other name is answered as if there were no such thing."""
    seller, other = await play(shop), await shop.seller()
    charge = (await seller.get("/v1/charges", limit="1")).json["data"][0]["id"]
    entry = (await seller.get("/v1/transactions", limit="1")).json["data"][0]["id"]
    wish = (await seller.get("/v1/credit-requests", limit="1")).json["data"][0]["id"]
    for path in (f"/v1/charges/{charge}", f"/v1/transactions/{entry}", f"/v1/credit-requests/{wish}"):
        whole = (await seller.get(path)).body
        for user, named in product((seller, shop.admin), (seller.id, seller.id.upper())):
            answer = await user.get(path, seller_id=named)
            assert (answer.status, answer.body) == (200, whole), (path, named)
        unknown = await shop.admin.get(path.replace("-7", "-4"))
        for user, named in product((seller, shop.admin), (other.id, shop.admin.id, entry, "nonsense", "")):
            answer = await user.get(path, seller_id=named)
            assert (answer.status, answer.code) == (404, "not_found"), (path, named)
            assert {**answer.json, "request_id": ""} == {**unknown.json, "request_id": ""}
        assert (await other.get(path, seller_id=seller.id)).code == "not_found"
        for query in ("colour=red", f"seller_id={seller.id}&seller_id={seller.id}"):
            assert (await seller.ask("GET", f"{path}?{query}")).code == "validation_failed", query


async def test_the_export_has_every_row_and_no_formula(shop: Shop) -> None:
    seller = await play(shop)
    answer = await seller.get("/v1/transactions.csv")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    found = await transactions(seller)
    assert list(rows[0]) == list(found[0])
    for row, entry in zip(rows, found, strict=True):
        for name, value in entry.items():
            if name == "details":
                assert json.loads(row[name]) == value
            elif name == "reason" and value is not None and value[0] in "=+-@":
                assert row[name] == f"'{value}"
            else:
                assert row[name] == ("" if value is None else str(value)), name
    assert {row["reason"][:2] for row in rows} >= {"'=", "'+", "'-", "'@"}
    assert rows[2]["amount"] == "-10.00"  # a number, with no apostrophe
    assert ";" not in answer.body.decode()  # at which spreadsheets may split a line, quotes or not

    some = await seller.get("/v1/transactions.csv", type="charge")
    assert [row["type"] for row in csv.DictReader(io.StringIO(some.body.decode()))] == ["charge"]
    everybodys = await shop.admin.get("/v1/transactions.csv")
    assert everybodys.body.count(seller.id.encode()) >= len(found)
    other = await shop.seller()
    assert (await other.get("/v1/transactions.csv", seller_id=seller.id)).code == "not_found"
    nothing = await other.get("/v1/transactions.csv", charge_id=found[3]["charge_id"])
    assert nothing.body.decode().count("\r\n") == 1


async def test_a_long_export_comes_in_pieces(shop: Shop) -> None:
    """More rows than one piece: none is missing at the seams."""
    seller = await shop.seller("5000.00")
    for _ in range(13):
        for answer in await _at_once(seller, 100):
            assert answer.status == 201
    answer = await seller.get("/v1/transactions.csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [int(row["seq"]) for row in rows] == list(range(1, 1303))


async def _at_once(seller: User, count: int) -> list[Any]:
    return await asyncio.gather(*(seller.sell("1.00") for _ in range(count)))


async def test_balance_now_and_then(shop: Shop) -> None:
    seller = await play(shop)
    found = await transactions(seller)
    now = await seller.done("GET", "/v1/balance")
    assert now["as_of"] >= found[-1]["created_at"]
    assert (now["available"], now["held"], now["credit_limit"], now["seq"]) == ("81.00", "0.00", "50.00", 13)
    for entry in found:
        then = (await seller.get("/v1/balance", at=entry["created_at"])).json
        last = max((each for each in found if each["created_at"] <= entry["created_at"]), key=lambda each: each["seq"])
        assert (then["seq"], then["available"], then["held"]) == (
            *(last["seq"], last["available_after"], last["held_after"]),
        )
        assert then["as_of"] == entry["created_at"]
    before = (await seller.get("/v1/balance", at="2020-01-01")).json
    assert (before["seq"], before["available"], before["as_of"]) == (0, "0.00", "2020-01-01T00:00:00.000000Z")
    assert (await seller.get("/v1/balance", at="2100-01-01")).json["seq"] == 13
    assert (await shop.admin.get("/v1/balance", seller_id=seller.id)).json["available"] == "81.00"
    assert (await shop.admin.get("/v1/balance")).code == "validation_failed"
    assert (await shop.admin.get("/v1/balance", seller_id=shop.admin.id)).code == "not_found"
    assert (await (await shop.seller()).get("/v1/balance", seller_id=seller.id)).code == "not_found"


async def test_a_statement_adds_up(shop: Shop) -> None:
    seller = await play(shop)
    found = await transactions(seller)
    whole = await seller.done("GET", "/v1/statement")
    assert (whole["opening_balance"], whole["closing_balance"], whole["entries"]) == ("0.00", "81.00", 13)
    assert whole["totals"]["charge"] == {"count": 1, "amount": "-10.00"}
    assert whole["totals"]["adjustment"] == {"count": 2, "amount": "97.00"}
    assert sum(Decimal(each["amount"]) for each in whole["totals"].values()) == Decimal("81.00")
    assert sum(each["count"] for each in whole["totals"].values()) == 13
    middle = found[6]["created_at"]
    first = (await seller.get("/v1/statement", to=middle)).json
    second = (await seller.get("/v1/statement", **{"from": middle})).json
    assert first["closing_balance"] == second["opening_balance"] == found[5]["available_after"]
    assert (first["entries"], second["entries"]) == (6, 7)
    assert (first["to"], second["from"]) == (middle, middle)
    assert (await seller.get("/v1/statement", **{"from": "2026-02-01", "to": "2026-01-01"})).code == "validation_failed"
    empty = (await seller.get("/v1/statement", **{"from": "2020-01-01", "to": "2020-01-01"})).json
    assert (empty["entries"], empty["totals"], empty["closing_balance"]) == (0, {}, "0.00")


async def test_a_statement_that_begins_after_now_is_empty(shop: Shop) -> None:
    """The client's clock may be ahead of ours. It has given no end that could be too early."""
    seller = await shop.seller("10.00")
    later = (await seller.get("/v1/statement", **{"from": "9999-12-31"})).json
    assert (later["from"], later["to"]) == ("9999-12-31T00:00:00.000000Z", "9999-12-31T00:00:00.000000Z")
    assert (later["opening_balance"], later["closing_balance"], later["entries"]) == ("10.00", "10.00", 0)
    assert later["totals"] == {}


async def test_the_trial_balance_balances(shop: Shop) -> None:
    seller = await play(shop)
    euros = await shop.seller("7.00", currency="EUR")
    await euros.sell("2.00", capture=False)
    found = await shop.admin.done("GET", "/v1/trial-balance")
    by_currency = {each["currency"]: each for each in found["currencies"]}
    assert set(by_currency) == {"USD", "EUR"}
    for each in by_currency.values():
        assert each["balanced"] is True
        assert each["total_debits"] == each["total_credits"]
        assert sum(Decimal(account["balance"]) for account in each["accounts"]) == 0
    dollars = {account["account"]: account["balance"] for account in by_currency["USD"]["accounts"]}
    assert dollars["available"] == (await seller.balance())[0]
    assert (dollars["sales"], dollars["funding"], dollars["adjustments"]) == ("21.00", "-5.00", "-97.00")
    assert {account["account"]: account["balance"] for account in by_currency["EUR"]["accounts"]}["held"] == "2.00"


async def test_a_summary_says_what_all_sellers_did_together(shop: Shop) -> None:
    seller = await play(shop)
    other = await shop.seller("100.00")
    await other.sell("20.00")
    since = (await other.done("GET", "/v1/balance"))["as_of"]
    last = (await other.sell("30.00")).json
    euros = await shop.seller("7.00", currency="EUR")
    await euros.sell("2.00", capture=False)

    everything = await shop.admin.done("GET", "/v1/summary")
    dollars, of_euros = everything["currencies"]
    assert (dollars["currency"], dollars["sellers"]) == ("USD", 2)
    assert (dollars["sold"], dollars["refunded"]) == ("75.00", "4.00")
    assert dollars["best_sellers"] == [
        {"seller_id": other.id, "sold": "50.00"},
        {"seller_id": seller.id, "sold": "25.00"},
    ]
    balances = [await each.done("GET", "/v1/balance") for each in (seller, other)]
    assert Decimal(dollars["available"]) == sum(Decimal(each["available"]) for each in balances)
    of_sellers = [await each.done("GET", "/v1/statement") for each in (seller, other)]
    for type_, total in dollars["totals"].items():
        theirs = [each["totals"][type_] for each in of_sellers if type_ in each["totals"]]
        assert total["count"] == sum(each["count"] for each in theirs)
        assert Decimal(total["amount"]) == sum(Decimal(each["amount"]) for each in theirs)
    assert (of_euros["currency"], of_euros["available"], of_euros["held"]) == ("EUR", "5.00", "2.00")
    assert (of_euros["sold"], of_euros["best_sellers"]) == ("0.00", [])

    recent = (await shop.admin.get("/v1/summary", **{"from": since})).json
    assert recent["from"] == since
    assert recent["position"] == everything["position"]
    assert recent["currencies"][0]["totals"] == {"charge": {"count": 1, "amount": "-30.00"}}
    assert recent["currencies"][0]["best_sellers"] == [{"seller_id": last["seller_id"], "sold": "30.00"}]
    newest = (await shop.admin.get("/v1/transactions", limit="1")).json["data"][0]
    assert newest["position"] == recent["position"]
    assert (await shop.admin.get("/v1/summary", **{"from": "yesterday"})).status == 422


async def test_sums_may_pass_what_one_amount_may_not(shop: Shop) -> None:
    """A hundred of the highest amounts are more than 64 bits hold, though no balance ever was."""
    most, adjustment = "9999999999999.9999", {"direction": "credit", "reason": "much"}
    sellers = [await shop.seller(currency="CLF") for _ in range(2)]
    for _ in range(10):
        for seller in sellers:
            for _ in range(10):
                await shop.admin.done("POST", f"/v1/sellers/{seller.id}/adjustments", {"amount": most, **adjustment})
        sold = {"mode": "atomic", "charges": [{"phone_number": PHONE, "amount": most}] * 10}
        assert [(await seller.done("POST", "/v1/charges/batch", sold))["failed"] for seller in sellers] == [0, 0]
    totals = (await sellers[0].done("GET", "/v1/statement"))["totals"]
    assert totals["adjustment"] == {"count": 100, "amount": "999999999999999.9900"}
    assert totals["charge"] == {"count": 100, "amount": "-999999999999999.9900"}
    (summary,) = (await shop.admin.done("GET", "/v1/summary"))["currencies"]
    assert (summary["available"], summary["sold"]) == ("0.0000", "1999999999999999.9800")
    assert {best["sold"] for best in summary["best_sellers"]} == {"999999999999999.9900"}


async def test_a_read_counts_in_everything_acknowledged_before_it(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    for _ in range(20):
        sold = (await seller.sell("1.00")).json
        shown = await seller.done("GET", "/v1/balance")
        assert (shown["seq"], shown["available"]) == (sold["seq"], sold["balance"]["available"])
        listed = (await seller.get("/v1/charges", limit="1")).json["data"]
        assert listed[0]["id"] == sold["id"]
        assert (await seller.get("/v1/charges", phone_number=PHONE, limit="1")).json["data"] == listed
