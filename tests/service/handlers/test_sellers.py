"""Sellers: made, shown, changed, adjusted."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from tests.conftest import Database
from tests.service.handlers.walking import walk
from tests.service.shop import PASSWORD, Shop


async def test_a_new_seller_has_an_empty_account_and_can_sign_in(shop: Shop) -> None:
    body = {"username": "Kiosk", "password": PASSWORD, "name": "Kiosk 17", "currency": "EUR"}
    made = await shop.admin.done("POST", "/v1/sellers", body)
    assert {name: made[name] for name in made if name not in ("id", "created_at")} == {
        "username": "Kiosk",
        "name": "Kiosk 17",
        "status": "active",
        "currency": "EUR",
        "credit_limit": "0.00",
        "balance": {"available": "0.00", "held": "0.00"},
    }
    assert await shop.admin.done("GET", f"/v1/sellers/{made['id']}") == made
    seller = await shop.sign_in("kiosk", PASSWORD)
    assert await seller.done("GET", f"/v1/sellers/{made['id']}") == made
    again = await shop.admin.post("/v1/sellers", {**body, "username": "KIOSK"})
    assert (again.status, again.code) == (409, "username_taken")
    other = await shop.seller()
    assert (await other.get(f"/v1/sellers/{made['id']}")).code == "not_found"


async def test_bad_sellers_are_refused(shop: Shop) -> None:
    good = {"username": "u", "password": PASSWORD, "name": "n"}
    for bad in (
        {"currency": "XXX"},
        {"currency": "usd"},
        {"username": "with space"},
        {"username": ""},
        {"password": "short"},
        {"password": "x" * 201},
        {"name": " "},
        {"role": "admin"},
    ):
        answer = await shop.admin.post("/v1/sellers", good | bad)
        assert (answer.status, answer.code) == (422, "validation_failed"), bad
        assert [error["field"] for error in answer.json["errors"]] == list(bad)


async def test_changes_are_all_or_nothing(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    path = f"/v1/sellers/{seller.id}"
    changed = await shop.admin.done("PATCH", path, {"name": "New", "status": "suspended", "credit_limit": "20"})
    assert (changed["name"], changed["status"], changed["credit_limit"]) == ("New", "suspended", "20.00")
    seq = (await seller.done("GET", "/v1/balance"))["seq"]
    assert await shop.admin.done("PATCH", path, {"status": "suspended", "credit_limit": 20}) == changed
    assert (await seller.done("GET", "/v1/balance"))["seq"] == seq  # what is so already is no entry
    assert await shop.admin.done("PATCH", path, {}) == changed
    await shop.admin.done("PATCH", path, {"status": "active"})
    await seller.sell("25.00")
    refused = await shop.admin.ask("PATCH", path, {"name": "Newer", "credit_limit": "14.99"})
    assert (refused.status, refused.code) == (409, "limit_in_use")
    shown = await shop.admin.done("GET", path)
    assert (shown["name"], shown["balance"]["available"]) == ("New", "-15.00")
    for bad in (
        {"name": None},
        {"status": "asleep"},
        {"credit_limit": "-1"},
        {"credit_limit": None},
        {"currency": "EUR"},
    ):
        assert (await shop.admin.ask("PATCH", path, bad)).code == "validation_failed", bad
    assert (await shop.admin.done("PATCH", path, {"credit_limit": "15"}))["credit_limit"] == "15.00"


@pytest.mark.parametrize(
    ("change", "status", "credit_limit"),
    [
        ({"status": "suspended"}, "suspended", "20.00"),
        ({"credit_limit": "30.00"}, "active", "30.00"),
        ({"status": "suspended", "credit_limit": "30.00", "name": "New"}, "suspended", "30.00"),
    ],
)
async def test_a_change_that_is_made_while_the_service_stops_is_answered(
    shop: Shop, database: Database, change: dict[str, str], status: str, credit_limit: str
) -> None:
    """As a change: an error would say that nothing was applied."""
    seller = await shop.seller("10.00")
    path = f"/v1/sellers/{seller.id}"
    before = await shop.admin.done("PATCH", path, {"credit_limit": "20.00"})
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        changing = asyncio.ensure_future(shop.admin.ask("PATCH", path, change))
        async with asyncio.timeout(10):
            while not shop.services.journal.on_their_way:
                await asyncio.sleep(0.01)
        shop.services.directory.drain()
    await owner.close()
    answer = await changing
    assert answer.status == 200, answer
    assert answer.json == before | {"status": status, "credit_limit": credit_limit, "name": answer.json["name"]}
    assert answer.json["name"] == change.get("name", before["name"])


async def test_a_limit_that_is_changed_while_another_admin_suspends_is_answered_with_both(
    shop: Shop, database: Database
) -> None:
    """In the order in which they were asked, though neither is written yet."""
    seller = await shop.seller()
    path = f"/v1/sellers/{seller.id}"
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        changing = []
        changes: list[dict[str, Any]] = [{"status": "suspended"}, {"credit_limit": "5.00"}, {"status": "active"}]
        for count, change in enumerate(changes, 1):
            changing.append(asyncio.ensure_future(shop.admin.done("PATCH", path, change)))
            async with asyncio.timeout(10):
                while shop.services.journal.on_their_way != 2 * count:  # An entry and an answer each.
                    await asyncio.sleep(0.01)
    await owner.close()
    shown = [(answer["status"], answer["credit_limit"]) for answer in await asyncio.gather(*changing)]
    assert shown == [("suspended", "0.00"), ("suspended", "5.00"), ("active", "5.00")]


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [({"status": "suspended"}, "outcome_unknown", "suspended"), ({}, "journal_unavailable", "active")],
)
async def test_a_change_of_which_half_is_made_is_not_said_to_be_not_applied(
    shop: Shop, database: Database, change: dict[str, str], code: str, status: str
) -> None:
    """The account is changed, and then the connection is lost over which the name is to be."""
    seller = await shop.seller()
    path, change = f"/v1/sellers/{seller.id}", change | {"name": "New"}
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE shop.sellers IN SHARE MODE")
        changing = asyncio.ensure_future(shop.admin.ask("PATCH", path, change))
        async with asyncio.timeout(10):
            while not await owner.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = $1 AND wait_event_type = 'Lock'",
                database.name,
            ):
                await asyncio.sleep(0.01)
        answer = await changing
    await owner.close()
    assert (answer.status, answer.code) == (503, code)
    shown = await shop.admin.done("GET", path)
    assert (shown["status"], shown["name"] == "New") == (status, False)
    again = await shop.admin.done("PATCH", path, change)
    assert (again["status"], again["name"]) == (status, "New")


async def test_a_credit_limit_is_sold_from(shop: Shop) -> None:
    seller = await shop.seller()
    await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"credit_limit": "5.00"})
    assert (await seller.sell("5.00")).json["balance"]["available"] == "-5.00"
    assert (await seller.sell("0.01")).json["available"] == "-5.00"


async def test_a_reset_password_ends_all_tokens(shop: Shop) -> None:
    seller = await shop.seller()
    path = f"/v1/sellers/{seller.id}/password"
    assert (await shop.admin.ask("POST", path, {"new_password": "another password"})).status == 204
    assert (await seller.get("/v1/auth/me")).status == 401
    username = (await shop.admin.done("GET", f"/v1/sellers/{seller.id}"))["username"]
    await shop.sign_in(username, "another password")
    unknown = f"/v1/sellers/{shop.admin.id}/password"
    assert (await shop.admin.post(unknown, {"new_password": "another password"})).code == "not_found"


async def test_adjustments_go_both_ways_but_not_past_the_floor(shop: Shop) -> None:
    seller = await shop.seller()
    path = f"/v1/sellers/{seller.id}/adjustments"
    up = await shop.admin.done("POST", path, {"amount": "5", "direction": "credit", "reason": "gift"})
    assert (up["type"], up["amount"], up["debit_account"], up["credit_account"]) == (
        *("adjustment", "5.00", "adjustments", "available"),
    )
    assert (up["made_by"], up["reason"], up["available_after"]) == (shop.admin.id, "gift", "5.00")
    down = await shop.admin.done("POST", path, {"amount": "2", "direction": "debit", "reason": "oops"})
    assert (down["amount"], down["debit_account"], down["credit_account"]) == ("-2.00", "available", "adjustments")
    past = await shop.admin.post(path, {"amount": "3.01", "direction": "debit", "reason": "r"}, key="k")
    assert (past.status, past.code, past.json["available"]) == (402, "insufficient_credit", "3.00")
    assert "charge_id" not in past.json
    # A refusal has written nothing and used up no key.
    assert (await shop.admin.post(path, {"amount": "3", "direction": "debit", "reason": "r"}, key="k")).status == 201
    nobody = f"/v1/sellers/{shop.admin.id}/adjustments"
    assert (await shop.admin.post(nobody, {"amount": "1", "direction": "credit", "reason": "r"})).code == "not_found"


async def test_what_an_account_refuses_is_said_in_sentences(shop: Shop) -> None:
    seller = await shop.seller("10.00", currency="USD")
    hold = (await seller.sell("2.00", capture=False, key="used")).json["id"]
    path = f"/v1/sellers/{seller.id}"
    debit = {"amount": "50", "direction": "debit", "reason": "over"}
    refused = [
        (await shop.admin.post(f"{path}/adjustments", debit), "insufficient_credit"),
        (await shop.admin.post(f"/v1/charges/{hold}/refund", {"reason": "none"}), "refund_exceeds_charge"),
        (await seller.post(f"/v1/charges/{hold}/capture", {"amount": "3"}), "validation_failed"),
        (await seller.sell("1.00", key="used"), "idempotency_key_reused"),
    ]
    await seller.done("POST", f"/v1/charges/{hold}/void")
    refused.append((await seller.post(f"/v1/charges/{hold}/void"), "not_pending"))
    await shop.admin.done("PATCH", path, {"status": "suspended"})
    refused.append((await seller.sell("1.00"), "seller_suspended"))
    for answer, code in refused:
        assert answer.code == code
        said = [answer.json["detail"], *(error["message"] for error in answer.json.get("errors", ()))]
        assert all(re.fullmatch(r"[A-Z0-9].*\.", text) for text in said), said


async def test_lists_are_searched_filtered_and_walked(shop: Shop) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        await shop.admin.done(
            "POST", "/v1/sellers", {"username": name.lower() + "-1", "password": PASSWORD, "name": name}
        )

    async def names(**query: str) -> list[str]:
        walked = walk(shop.admin, "/v1/sellers", limit="2", **query)
        return [seller["name"] async for page in walked for seller in page]

    assert await names() == ["Gamma", "Beta", "Alpha"]
    assert await names(q="ALPH") == ["Alpha"]
    assert await names(q="-1") == ["Gamma", "Beta", "Alpha"]
    (beta,) = (await shop.admin.get("/v1/sellers", q="beta")).json["data"]
    await shop.admin.done("PATCH", f"/v1/sellers/{beta['id']}", {"status": "suspended"})
    adjustment = {"amount": "5", "direction": "credit", "reason": "r"}
    await shop.admin.done("POST", f"/v1/sellers/{beta['id']}/adjustments", adjustment)
    assert await names(status="suspended") == ["Beta"]
    assert await names(status="active") == ["Gamma", "Alpha"]
    assert await names(status="active", q="a") == ["Gamma", "Alpha"]
    (shown,) = (await shop.admin.get("/v1/sellers", q="beta")).json["data"]
    assert shown == await shop.admin.done("GET", f"/v1/sellers/{beta['id']}")
    assert shown["balance"]["available"] == "5.00"
