"""Credit requests: decided once, by whom it should be."""

from tests.conftest import Database
from tests.service.handlers.walking import walk
from tests.service.shop import Shop, open_shop


async def test_an_approved_request_gives_its_credit_once(shop: Shop) -> None:
    seller = await shop.seller()
    asked = await seller.done("POST", "/v1/credit-requests", {"amount": 50, "note": "for june"})
    assert (asked["status"], asked["amount"], asked["note"], asked["approvals"]) == ("pending", "50.00", "for june", [])
    assert (asked["decided_by"], asked["decided_at"], asked["decision_note"]) == (None, None, None)
    path = f"/v1/credit-requests/{asked['id']}"
    approved = await shop.admin.done("POST", f"{path}/approve", {"note": "paid"})
    assert (approved["status"], approved["decision_note"], approved["decided_by"]) == (
        "approved",
        "paid",
        shop.admin.id,
    )
    assert approved["approvals"] == [{"by": shop.admin.id, "at": approved["decided_at"]}]
    assert await seller.balance() == ("50.00", "0.00")
    for second in ("approve", "reject"):
        answer = await shop.admin.post(f"{path}/{second}")
        assert (answer.status, answer.code) == (409, "already_decided")
    assert (await seller.post(f"{path}/cancel")).code == "already_decided"
    assert await seller.done("GET", path) == approved
    assert await shop.admin.done("GET", path) == approved
    assert await seller.balance() == ("50.00", "0.00")


async def test_rejected_and_cancelled_requests_give_nothing(shop: Shop) -> None:
    seller = await shop.seller()
    one = await seller.done("POST", "/v1/credit-requests", {"amount": "1"})
    two = await seller.done("POST", "/v1/credit-requests", {"amount": "1"})
    rejected = await shop.admin.done("POST", f"/v1/credit-requests/{one['id']}/reject", {"note": "no"})
    cancelled = await seller.done("POST", f"/v1/credit-requests/{two['id']}/cancel")
    assert (rejected["status"], rejected["decided_by"], rejected["decision_note"]) == ("rejected", shop.admin.id, "no")
    assert (cancelled["status"], cancelled["decided_by"], cancelled["approvals"]) == ("cancelled", seller.id, [])
    assert await seller.balance() == ("0.00", "0.00")


async def test_a_request_is_its_sellers_own(shop: Shop) -> None:
    one, two = await shop.seller(), await shop.seller()
    asked = await one.done("POST", "/v1/credit-requests", {"amount": "1"})
    path = f"/v1/credit-requests/{asked['id']}"
    assert (await two.get(path)).code == "not_found"
    assert (await two.post(f"{path}/cancel")).code == "not_found"
    assert (await two.get("/v1/credit-requests")).json["data"] == []
    charge = f"/v1/charges/{asked['id']}"
    assert (await one.get(charge)).code == "not_found"
    assert (await shop.admin.post(f"{charge}/refund", {"reason": "r"})).code == "not_found"


async def test_large_amounts_take_two_admins(database: Database) -> None:
    async with open_shop(database, second_admin_above="100") as shop:
        seller, second = await shop.seller(), await shop.another_admin()
        asked = await seller.done("POST", "/v1/credit-requests", {"amount": "100.01"})
        path = f"/v1/credit-requests/{asked['id']}/approve"
        endorsed = await shop.admin.done("POST", path, {"note": "fine by me"})
        assert (endorsed["status"], endorsed["decided_by"]) == ("pending", None)
        assert [each["by"] for each in endorsed["approvals"]] == [shop.admin.id]
        assert await seller.done("GET", f"/v1/credit-requests/{asked['id']}") == endorsed
        again = await shop.admin.post(path)
        assert (again.status, again.code) == (409, "second_admin_needed")
        assert await seller.balance() == ("0.00", "0.00")
        approved = await second.done("POST", path)
        assert [each["by"] for each in approved["approvals"]] == [shop.admin.id, second.id]
        assert approved["status"] == "approved"
        assert await seller.balance() == ("100.01", "0.00")

        below = await seller.done("POST", "/v1/credit-requests", {"amount": "100"})
        assert (await shop.admin.done("POST", f"/v1/credit-requests/{below['id']}/approve"))["status"] == "approved"
        adjustment = {"amount": "100.01", "direction": "credit", "reason": "r"}
        for answer in (
            await shop.admin.post(f"/v1/sellers/{seller.id}/adjustments", adjustment),
            await shop.admin.ask("PATCH", f"/v1/sellers/{seller.id}", {"credit_limit": "100.01"}),
        ):
            assert (answer.status, answer.code) == (409, "second_admin_needed")


async def test_no_more_than_a_hundred_are_pending(shop: Shop) -> None:
    seller = await shop.seller()
    for _ in range(100):
        await seller.done("POST", "/v1/credit-requests", {"amount": "1"})
    answer = await seller.post("/v1/credit-requests", {"amount": "1"})
    assert (answer.status, answer.code) == (409, "too_many_pending")


async def test_lists(shop: Shop) -> None:
    one, two = await shop.seller(), await shop.seller()
    first = await one.done("POST", "/v1/credit-requests", {"amount": "1"})
    second = await two.done("POST", "/v1/credit-requests", {"amount": "2"})
    third = await one.done("POST", "/v1/credit-requests", {"amount": "3"})
    await shop.admin.done("POST", f"/v1/credit-requests/{first['id']}/approve")

    async def ids(**query: str) -> list[str]:
        walked = walk(shop.admin, "/v1/credit-requests", limit="1", **query)
        return [each["id"] async for page in walked for each in page]

    assert await ids() == [third["id"], second["id"], first["id"]]
    assert await ids(status="pending") == [third["id"], second["id"]]
    assert await ids(seller_id=one.id) == [third["id"], first["id"]]
    assert await ids(seller_id=one.id, status="approved") == [first["id"]]
    assert [each["id"] for each in (await two.get("/v1/credit-requests")).json["data"]] == [second["id"]]
