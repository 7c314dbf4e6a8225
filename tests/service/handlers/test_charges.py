"""Charges over HTTP: exactly once, to the byte, whatever happens in between."""

import asyncio
from collections import Counter

from tests.conftest import Database
from tests.service.handlers.walking import walk
from tests.service.shop import PASSWORD, PHONE, Answer, Shop, User, open_shop


def same_but_for_the_request(answer: Answer) -> dict[str, object]:
    """What of a problem must be equal when it is repeated."""
    return {**answer.json, "request_id": None}


async def test_a_sale_takes_its_amount_and_answers_the_charge(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    sold = await seller.sell("2.50", reference="order-1", metadata={"till": "3", "a": "b"})
    assert sold.status == 201
    charge = sold.json
    assert {name: charge[name] for name in charge if name not in ("id", "receipt", "created_at")} == {
        "seller_id": seller.id,
        "phone_number": PHONE,
        "amount": "2.50",
        "currency": "USD",
        "status": "completed",
        "refunded_amount": "0.00",
        "reference": "order-1",
        "metadata": {"till": "3", "a": "b"},
        "failure_code": None,
        "expires_at": None,
        "seq": 3,
        "balance": {"available": "7.50", "held": "0.00"},
    }
    assert (await seller.get(f"/v1/charges/{charge['id']}")).body == sold.body
    assert (await shop.admin.get(f"/v1/charges/{charge['id']}")).body == sold.body
    assert await seller.balance() == ("7.50", "0.00")


async def test_a_hold_is_captured_in_part_and_the_rest_given_back(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    held = (await seller.sell("6.00", capture=False)).json
    assert (held["status"], held["balance"]) == ("pending", {"available": "4.00", "held": "6.00"})
    assert held["expires_at"] > held["created_at"]
    assert (await seller.post(f"/v1/charges/{held['id']}/capture", {"amount": "6.01"})).code == "validation_failed"
    captured = await seller.done("POST", f"/v1/charges/{held['id']}/capture", {"amount": 4})
    assert (captured["status"], captured["amount"], captured["seq"]) == ("completed", "4.00", 5)
    assert captured["balance"] == {"available": "6.00", "held": "0.00"}
    for end in ("capture", "void"):
        assert (await seller.post(f"/v1/charges/{held['id']}/{end}")).code == "not_pending"


async def test_a_hold_is_voided(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    held = (await seller.sell("6.00", capture=False, expires_in=60)).json
    voided = await seller.done("POST", f"/v1/charges/{held['id']}/void")
    assert (voided["status"], voided["amount"], voided["balance"]["available"]) == ("voided", "6.00", "10.00")


async def test_an_expired_hold_is_never_seen_as_pending(shop: Shop) -> None:
    """Whoever looks first gives it back. The clock is the directory's own, moved on here."""
    seller = await shop.seller("10.00")
    held = (await seller.sell("6.00", capture=False, expires_in=600)).json
    clock_us = shop.services.directory.clock_us
    shop.services.directory.clock_us = lambda: clock_us() + 601_000_000
    assert (await seller.get(f"/v1/charges/{held['id']}")).json["status"] == "expired"
    assert await seller.balance() == ("10.00", "0.00")
    assert (await seller.post(f"/v1/charges/{held['id']}/capture")).code == "not_pending"


async def test_refunds_give_back_no_more_than_was_captured(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    charge_id = (await seller.sell("6.00")).json["id"]
    path = f"/v1/charges/{charge_id}/refund"
    part = await shop.admin.done("POST", path, {"amount": "1.50", "reason": "half a card"})
    assert (part["status"], part["amount"], part["refunded_amount"]) == ("partially_refunded", "6.00", "1.50")
    too_much = await shop.admin.post(path, {"amount": "4.51", "reason": "more"})
    assert (too_much.status, too_much.code) == (409, "refund_exceeds_charge")
    rest = await shop.admin.done("POST", path, {"reason": "all that is left"})
    assert (rest["status"], rest["refunded_amount"]) == ("refunded", "6.00")
    assert (await shop.admin.post(path, {"reason": "again"})).code == "refund_exceeds_charge"
    assert await seller.balance() == ("10.00", "0.00")
    shown = await seller.done("GET", f"/v1/charges/{charge_id}")
    assert shown == rest


async def test_a_decline_is_kept_and_repeated(shop: Shop) -> None:
    """Refused for lack of credit, credit added, same key: refused again; a new key: sold."""
    seller = await shop.seller("1.00")
    declined = await seller.sell("5.00", key="k", reference="r", metadata={"a": "b"})
    assert (declined.status, declined.code) == (402, "insufficient_credit")
    assert declined.json["available"] == "1.00"
    kept = await seller.done("GET", f"/v1/charges/{declined.json['charge_id']}")
    assert (kept["status"], kept["failure_code"], kept["amount"]) == ("failed", "insufficient_credit", "5.00")
    assert (kept["reference"], kept["metadata"]) == ("r", {"a": "b"})

    adjustment = {"amount": "100", "direction": "credit", "reason": "more"}
    await shop.admin.done("POST", f"/v1/sellers/{seller.id}/adjustments", adjustment)
    again = await seller.sell("5.00", key="k", reference="r", metadata={"a": "b"})
    assert again.status == 402
    assert same_but_for_the_request(again) == same_but_for_the_request(declined)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in declined.headers
    assert (await seller.sell("5.00", key="k2")).status == 201


async def test_one_key_is_one_charge_however_it_is_written(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    first = await seller.sell("2.00", key="k", metadata={"a": "1", "b": "2"})
    for amount, written in (("2", {"b": "2", "a": "1"}), (2, {"a": "1", "b": "2"}), ("2.0", {"a": "1", "b": "2"})):
        again = await seller.sell(amount, key="k", metadata=written, capture=True)  # type: ignore[arg-type]
        assert (again.status, again.body) == (201, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    for other in (
        await seller.sell("2.01", key="k", metadata={"a": "1", "b": "2"}),
        await seller.sell("2.00", key="k"),
        await seller.sell("2.00", key="k", metadata={"a": "1", "b": "2"}, capture=False),
        await seller.post("/v1/credit-requests", {"amount": "2.00"}, key="k"),
        await seller.post(f"/v1/charges/{first.json['id']}/void", key="k"),
    ):
        assert (other.status, other.code) == (422, "idempotency_key_reused")
        assert [error["field"] for error in other.json["errors"]] == ["Idempotency-Key"]
    assert await seller.balance() == ("8.00", "0.00")


async def test_keys_of_a_seller_are_its_own(shop: Shop) -> None:
    """Neither another seller nor an admin can use them up."""
    one, two = await shop.seller("10.00"), await shop.seller("10.00")
    adjustment = {"amount": "1", "direction": "credit", "reason": "r"}
    await shop.admin.done("POST", f"/v1/sellers/{one.id}/adjustments", adjustment, key="k")
    await two.sell("1.00", key="k")
    sold = await one.sell("1.00", key="k")
    assert (sold.status, "Idempotent-Replayed" in sold.headers) == (201, False)


async def test_every_first_answer_is_repeated_to_the_byte_after_a_restart(database: Database) -> None:
    async with open_shop(database) as shop:
        seller = await shop.seller("100.00")
        held = (await seller.sell("6.00", capture=False)).json["id"]
        voided = (await seller.sell("6.00", capture=False)).json["id"]
        sold = (await seller.sell("3.00")).json["id"]
        wish = (await seller.done("POST", "/v1/credit-requests", {"amount": "5"}))["id"]
        unwanted = (await seller.done("POST", "/v1/credit-requests", {"amount": "5"}))["id"]
        asked: list[tuple[bool, str, object]] = [
            (False, "/v1/charges", {"phone_number": PHONE, "amount": "1", "reference": "é", "metadata": {"b": "1"}}),
            (False, "/v1/charges", {"phone_number": PHONE, "amount": "2", "capture": False, "expires_in": 60}),
            (False, "/v1/charges", {"phone_number": PHONE, "amount": "1000"}),
            (False, f"/v1/charges/{held}/capture", {"amount": "2.00"}),
            (False, f"/v1/charges/{voided}/void", None),
            (True, f"/v1/charges/{sold}/refund", {"amount": "1", "reason": "r"}),
            (True, f"/v1/charges/{sold}/refund", {"reason": "r"}),
            (True, f"/v1/sellers/{seller.id}/adjustments", {"amount": "1", "direction": "debit", "reason": "r"}),
            (False, "/v1/credit-requests", {"amount": "7", "note": "n"}),
            (True, f"/v1/credit-requests/{wish}/approve", {"note": "yes"}),
            (True, f"/v1/credit-requests/{unwanted}/reject", None),
        ]

        async def ask_all(shop: Shop, seller: User) -> list[Answer]:
            return [
                await (shop.admin if by_admin else seller).post(path, body, key=f"key {number}")
                for number, (by_admin, path, body) in enumerate(asked)
            ]

        first = await ask_all(shop, seller)
        assert [answer.status for answer in first] == [201, 201, 402, 200, 200, 200, 200, 201, 201, 200, 200]
        balance = await seller.balance()

    async with open_shop(database) as shop:
        seller = shop.known(seller)
        again = await ask_all(shop, seller)
        for before, after in zip(first, again, strict=True):
            assert after.status == before.status
            assert after.headers["Idempotent-Replayed"] == "true"
            if before.status == 402:
                assert same_but_for_the_request(after) == same_but_for_the_request(before)
            else:
                assert after.body == before.body
        assert await seller.balance() == balance


async def test_fifty_at_once_under_one_key_are_one_charge(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    answers = await asyncio.gather(*(seller.sell("2.00", key="same") for _ in range(50)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert Counter("Idempotent-Replayed" in answer.headers for answer in answers) == {True: 49, False: 1}
    assert await seller.balance() == ("98.00", "0.00")


async def test_of_two_hundred_at_once_exactly_those_with_credit_succeed(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    answers = await asyncio.gather(*(seller.sell("1.00") for _ in range(200)))
    assert Counter(answer.status for answer in answers) == {201: 100, 402: 100}
    assert await seller.balance() == ("0.00", "0.00")
    assert sorted(answer.json["seq"] for answer in answers if answer.status == 201) == sorted(
        {answer.json["seq"] for answer in answers if answer.status == 201}
    )


async def test_what_is_anothers_is_like_what_does_not_exist(shop: Shop) -> None:
    one, two = await shop.seller("10.00"), await shop.seller("10.00")
    charge_id = (await one.sell("1.00", capture=False)).json["id"]
    unknown = charge_id[:-12] + "0000" + two.id[-8:]
    for path, body in (("", None), ("/capture", {}), ("/void", {})):
        method = "POST" if path else "GET"
        others = await two.ask(method, f"/v1/charges/{charge_id}{path}", body)
        nobodys = await two.ask(method, f"/v1/charges/{unknown}{path}", body)
        assert (others.status, nobodys.status) == (404, 404)
        assert same_but_for_the_request(others) == same_but_for_the_request(nobodys)
    listed = await two.get("/v1/charges", seller_id=one.id)
    assert same_but_for_the_request(listed) == same_but_for_the_request(others)
    assert (await two.get("/v1/charges", seller_id="not an id")).code == "not_found"
    assert (await two.get("/v1/charges", seller_id=two.id)).status == 200
    assert (await shop.admin.get("/v1/charges", seller_id=unknown)).code == "not_found"


async def test_a_suspended_seller_ends_what_it_began_and_nothing_else(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    ids = [(await seller.sell("1.00", capture=False)).json["id"] for _ in range(2)]
    wish = await seller.done("POST", "/v1/credit-requests", {"amount": "5"})
    key = await seller.done("POST", "/v1/api-keys", {"name": "till"})
    await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"status": "suspended"})
    change = {"current_password": PASSWORD, "new_password": "another password"}
    for refused in (
        await seller.sell("1.00"),
        await seller.sell("1.00", capture=False),
        await seller.post("/v1/credit-requests", {"amount": "1"}),
        await seller.post("/v1/api-keys", {"name": "till"}),
        await seller.post("/v1/auth/password", change),
    ):
        assert (refused.status, refused.code) == (403, "seller_suspended")
    await seller.done("POST", f"/v1/charges/{ids[0]}/capture")
    await seller.done("POST", f"/v1/charges/{ids[1]}/void")
    await seller.done("POST", f"/v1/credit-requests/{wish['id']}/cancel")
    await seller.done("DELETE", f"/v1/api-keys/{key['id']}")
    assert await seller.balance() == ("9.00", "0.00")


AMOUNTS: list[object] = [
    *("NaN", "Infinity", "-0", "0", "-1", "1e1000000", "0.001", "1_000", "٥", " 5 ", "9" * 5000, ""),
    *(None, True, [], {}, "0.00", 0, -1, 1.001, 1e300, "1e2", "+1", "01", ".5", "5."),
]


async def test_no_amount_but_money_is_taken(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    for amount in AMOUNTS:
        answer = await seller.post("/v1/charges", {"phone_number": PHONE, "amount": amount})
        assert (answer.status, answer.code) == (422, "validation_failed"), amount
        assert [error["field"] for error in answer.json["errors"]] == ["amount"]
    assert await seller.balance() == ("10.00", "0.00")


BODIES = [
    (b'{"phone_number":"+15550100001","amount":1e1000000}', 400),
    (b'{"phone_number":"+15550100001","amount":NaN}', 400),
    (b"[" * 100_000, 413),
    (b"[" * 60_000, 400),
    (b'{"phone_number":"+15550100001","amount":"1","reference":"\\u0000"}', 422),
    (b'{"phone_number":"+15550100001","amount":"1","reference":"\\ud800"}', 400),
    (b'{"phone_number":"+15550100001","amount":"1","reference":"\xff"}', 400),
    (b'{"phone_number":"+15550100001","amount":"1","colour":"red"}', 422),
    (b'{"phone_number":5,"amount":"1"}', 422),
    (b'{"phone_number":"nobody","amount":"1"}', 422),
    (b"", 400),
    (b"null", 422),
    (b"\xff\xfe", 400),
]


async def test_bad_bodies_are_the_senders_fault(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    for data, status in BODIES:
        answer = await seller.ask("POST", "/v1/charges", data=data)
        assert answer.status == status, (data[:100], answer)
        assert answer.code is not None
    assert await seller.balance() == ("10.00", "0.00")


async def test_both_faults_of_a_charge_are_told_at_once(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    answer = await seller.post("/v1/charges", {"phone_number": "12", "amount": "0"})
    assert {error["field"] for error in answer.json["errors"]} == {"phone_number", "amount"}


async def test_a_bad_key_is_refused(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    for key in ("", "x" * 256, "é"):
        assert (await seller.sell("1.00", key=key)).code == "validation_failed"
    assert (await seller.sell("1.00", key="x" * 255)).status == 201


async def test_currencies_have_their_own_decimals(shop: Shop) -> None:
    yen, dinar = await shop.seller("1000", currency="JPY"), await shop.seller("5.125", currency="KWD")
    assert (await yen.sell("1.5")).code == "validation_failed"
    assert (await yen.sell("15")).json["balance"]["available"] == "985"
    assert (await dinar.sell("0.001")).json["balance"]["available"] == "5.124"


async def test_lists_are_filtered(shop: Shop) -> None:
    seller, other = await shop.seller("100.00"), await shop.seller("100.00")
    plain = (await seller.sell("1.00", key="k1", reference="a")).json["id"]
    number = {"phone_number": "+447911123456"}
    abroad = (await seller.post("/v1/charges", {"amount": "1", **number})).json["id"]
    held = (await seller.sell("1.00", capture=False, reference="a")).json["id"]
    failed = (await seller.sell("1000.00")).json["charge_id"]
    refunded = (await seller.sell("2.00")).json["id"]
    await shop.admin.done("POST", f"/v1/charges/{refunded}/refund", {"reason": "r"})
    others = (await other.sell("1.00", reference="a")).json["id"]

    async def ids(user: User, **query: str) -> list[str]:
        answer = await user.get("/v1/charges", **query)
        assert answer.status == 200, answer
        return [charge["id"] for charge in answer.json["data"]]

    assert await ids(seller) == [refunded, failed, held, abroad, plain]
    assert await ids(seller, status="completed") == [abroad, plain]
    assert await ids(seller, status="pending") == [held]
    assert await ids(seller, status="failed") == [failed]
    assert await ids(seller, status="refunded") == [refunded]
    assert await ids(seller, status="voided") == []
    assert await ids(seller, reference="a") == [held, plain]
    assert await ids(seller, idempotency_key="k1") == [plain]
    assert await ids(seller, phone_number="+44 7911 123456") == [abroad]
    assert await ids(seller, phone_number=" 447911123456") == [abroad]
    assert await ids(seller, reference="a", status="pending") == [held]
    made_at = (await seller.get(f"/v1/charges/{held}")).json["created_at"]
    assert await ids(seller, **{"from": made_at}) == [refunded, failed, held]
    assert await ids(seller, to=made_at) == [abroad, plain]
    assert await ids(shop.admin, reference="a") == [others, held, plain]
    assert await ids(shop.admin, seller_id=other.id) == [others]
    for bad in ({"status": "sold"}, {"limit": "101"}, {"limit": "0"}, {"cursor": "mine"}, {"color": "red"}):
        assert (await seller.get("/v1/charges", **bad)).code == "validation_failed", bad


async def test_walking_misses_nothing_and_repeats_nothing_while_more_is_sold(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    sold = [(await seller.sell("1.00")).json["id"] for _ in range(7)]
    pages = []
    async for page in walk(seller, "/v1/charges", limit="3"):
        pages.append([charge["id"] for charge in page])
        await seller.sell("1.00")
    assert pages == [sold[:3:-1], sold[3:0:-1], [sold[0]]]
    across = [charge["id"] async for page in walk(shop.admin, "/v1/charges", limit="2") for charge in page]
    assert across[-7:] == sold[::-1]
    assert len(across) == len(set(across)) == 10


async def test_a_cursor_is_good_for_its_own_list_only(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    for _ in range(2):
        await seller.sell("1.00")
    cursor = (await seller.get("/v1/charges", limit="1")).json["next_cursor"]
    assert (await seller.get("/v1/charges", limit="1", cursor=cursor)).status == 200
    assert (await seller.get("/v1/charges", cursor=cursor, status="pending")).code == "validation_failed"
    assert (await seller.get("/v1/transactions", cursor=cursor)).code == "validation_failed"
    stranger = await shop.seller()
    assert (await stranger.get("/v1/charges", cursor=cursor)).code == "validation_failed"
