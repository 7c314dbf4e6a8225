"""Sellers: made, shown, changed, adjusted."""

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
