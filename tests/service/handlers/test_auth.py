"""Signing in and out, passwords, API keys, admins: over HTTP."""

import logging

import asyncpg
import pytest

from tests.conftest import Database
from tests.service.handlers.walking import walk
from tests.service.shop import ADMIN_PASSWORD, PASSWORD, Shop, User, open_shop


async def test_a_token_is_somebody_until_it_ends(shop: Shop) -> None:
    given = {"username": "ADMIN", "password": ADMIN_PASSWORD}
    session = await shop.nobody.done("POST", "/v1/auth/token", given)
    assert (session["token_type"], session["role"], session["seller_id"]) == ("Bearer", "admin", None)
    assert session["expires_at"].endswith("Z")
    user = User(shop, session["token"])
    me = await user.done("GET", "/v1/auth/me")
    assert me == {"id": shop.admin.id, "username": "admin", "role": "admin", "seller_id": None}
    assert (await user.ask("DELETE", "/v1/auth/token")).status == 204
    assert (await user.get("/v1/auth/me")).code == "unauthenticated"
    assert (await shop.admin.get("/v1/auth/me")).status == 200


async def test_a_seller_is_known_by_its_token(shop: Shop) -> None:
    seller = await shop.seller()
    me = await seller.done("GET", "/v1/auth/me")
    assert (me["id"], me["seller_id"], me["role"]) == (seller.id, seller.id, "seller")


async def test_whatever_is_wrong_is_told_alike(shop: Shop) -> None:
    for username, password in (("admin", "wrong password"), ("nobody", ADMIN_PASSWORD), ("", ""), ("é", "x")):
        answer = await shop.nobody.post("/v1/auth/token", {"username": username, "password": password})
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.json["detail"] == "The username or the password is not right."
        assert "WWW-Authenticate" in answer.headers


async def test_guessing_is_slowed_down(shop: Shop) -> None:
    guess = {"username": "somebody", "password": "wrong password"}
    answers = [await shop.nobody.post("/v1/auth/token", guess) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert answers[-1].code == "too_many_attempts"
    assert int(answers[-1].headers["Retry-After"]) >= 1


async def test_what_is_no_credential_is_401(shop: Shop) -> None:
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer cst_short",
        "Token x",
        "Bearer " + "x" * 7000,
        "\xff",
    ):
        answer = await shop.nobody.ask("GET", "/v1/auth/me", headers={"Authorization": header})
        assert (answer.status, answer.code) == (401, "unauthenticated"), header


async def test_a_new_password_ends_all_other_tokens(shop: Shop) -> None:
    one = await shop.seller()
    username = (await one.done("GET", "/v1/auth/me"))["username"]
    two = await shop.sign_in(username, PASSWORD)
    change = {"current_password": PASSWORD, "new_password": "another password"}
    wrong = await one.post("/v1/auth/password", {**change, "current_password": "wrong"})
    assert (wrong.status, wrong.code) == (422, "validation_failed")
    assert [error["field"] for error in wrong.json["errors"]] == ["current_password"]
    assert (await one.post("/v1/auth/password", {**change, "new_password": "short"})).code == "validation_failed"
    assert (await one.post("/v1/auth/password", change)).status == 204
    assert (await one.get("/v1/auth/me")).status == 200
    assert (await two.get("/v1/auth/me")).status == 401
    await shop.sign_in(username, "another password")


async def test_an_api_key_sells_for_its_seller_until_it_is_revoked(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    made = await seller.done("POST", "/v1/api-keys", {"name": "till 3"})
    assert made["key"].startswith(made["prefix"])
    till = User(shop, made["key"], seller.id)
    (listed,) = (await seller.get("/v1/api-keys")).json["data"]
    assert listed == {**{name: made[name] for name in ("id", "name", "prefix", "created_at")}, "last_used_at": None}
    sold = await till.sell("1.00")
    assert sold.json["seller_id"] == seller.id
    (listed,) = (await seller.get("/v1/api-keys")).json["data"]
    assert made["created_at"] <= listed["last_used_at"] <= sold.json["created_at"]
    stranger = await shop.seller()
    assert (await stranger.ask("DELETE", f"/v1/api-keys/{made['id']}")).code == "not_found"
    assert (await seller.ask("DELETE", f"/v1/api-keys/{made['id']}")).status == 204
    assert (await till.sell("1.00")).status == 401
    assert (await seller.ask("DELETE", f"/v1/api-keys/{made['id']}")).code == "not_found"
    assert (await seller.get("/v1/api-keys")).json["data"] == []


async def test_api_keys_are_walked(shop: Shop) -> None:
    seller = await shop.seller()
    for number in range(5):
        await seller.done("POST", "/v1/api-keys", {"name": str(number)})
    names = [key["name"] async for page in walk(seller, "/v1/api-keys", limit="2") for key in page]
    assert names == ["4", "3", "2", "1", "0"]


async def test_admins_disable_each_other_but_not_the_last(shop: Shop) -> None:
    second = await shop.another_admin()
    listed = [admin["id"] async for page in walk(shop.admin, "/v1/admins", limit="1") for admin in page]
    assert listed == [second.id, shop.admin.id]
    disabled = await shop.admin.done("PATCH", f"/v1/admins/{second.id}", {"status": "disabled"})
    assert disabled["status"] == "disabled"
    assert (await second.get("/v1/auth/me")).status == 401
    last = await shop.admin.ask("PATCH", f"/v1/admins/{shop.admin.id}", {"status": "disabled"})
    assert (last.status, last.code) == (409, "last_admin")
    seller = await shop.seller()
    assert (await shop.admin.ask("PATCH", f"/v1/admins/{seller.id}", {"status": "disabled"})).code == "not_found"
    enabled = await shop.admin.done("PATCH", f"/v1/admins/{second.id}", {"status": "active"})
    assert enabled["status"] == "active"
    taken = await shop.admin.post("/v1/admins", {"username": "Admin", "password": PASSWORD})
    assert (taken.status, taken.code) == (409, "username_taken")


async def test_a_stop_says_what_it_could_not_write(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with open_shop(database) as shop:
        seller = await shop.seller()
        made = await seller.done("POST", "/v1/api-keys", {"name": "till"})
        assert (await User(shop, made["key"]).get("/v1/auth/me")).status == 200
        owner = await asyncpg.connect(database.owner_url)
        await owner.execute("ALTER TABLE shop.api_keys DROP COLUMN last_used_at")
        await owner.close()
    (told,) = [record for record in caplog.records if record.msg == "last_uses_not_written"]
    assert "last_used_at" in told.__dict__["reason"]


async def test_the_log_tells_who_changed_whom(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """What failed is not told, nor any secret."""
    caplog.set_level(logging.INFO)
    admin = shop.admin
    given = {"username": "second", "password": PASSWORD}
    second = (await admin.done("POST", "/v1/admins", given))["id"]
    assert (await admin.post("/v1/admins", given)).status == 409
    for status in ("disabled", "active"):
        await admin.done("PATCH", f"/v1/admins/{second}", {"status": status})
    seller = await shop.seller()
    await admin.done("PATCH", f"/v1/sellers/{seller.id}", {"name": "another", "credit_limit": "5.00"})
    key = await seller.done("POST", "/v1/api-keys", {"name": "till"})
    assert (await seller.ask("DELETE", f"/v1/api-keys/{key['id']}")).status == 204
    new = {"current_password": PASSWORD, "new_password": "another long password"}
    assert (await seller.ask("POST", "/v1/auth/password", new)).status == 204
    reset = {"new_password": "a third long password"}
    assert (await admin.ask("POST", f"/v1/sellers/{seller.id}/password", reset)).status == 204

    told = [vars(record) for record in caplog.records if record.msg == "identity_changed"]
    assert [(each["what"], each["whom"], each["by"]) for each in told] == [
        ("admin_created", second, admin.id),
        ("admin_disabled", second, admin.id),
        ("admin_enabled", second, admin.id),
        ("seller_created", seller.id, admin.id),
        ("seller_renamed", seller.id, admin.id),
        ("api_key_created", key["id"], seller.id),
        ("api_key_revoked", key["id"], seller.id),
        ("password_changed", seller.id, seller.id),
        ("password_reset", seller.id, admin.id),
    ]
    assert not [text for text in (key["key"], *new.values(), *reset.values()) if text in caplog.text]
