"""Shops that do, or say, something else than was asked, or was written: rule 2."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.checker import Name
from loadtest.history import Kind, Request
from service.problems import ProblemCode
from tests.loadtest.plays import Play
from tests.loadtest.shop import ADMIN, Answer
from tests.loadtest.telling import Lie, Lies, apart, edited, make, names_found, problem, refund_of, sale, sold, told

LIES = Lies()


@LIES.told_as(Name.NOT_AS_ASKED)
def takes_another_amount(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, amount=701)))


@LIES.told_as(Name.NOT_AS_ASKED)
def charges_another_phone(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, phone_number="+989121234568")))


@LIES.told_as(Name.NOT_AS_ASKED)
def drops_the_reference(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, reference=None)))


@LIES.told_as(Name.NOT_AS_ASKED)
def changes_the_metadata(play: Play) -> None:
    request = sale(play, metadata={"till": "3"})
    told(play, request, lambda request: play.shop.ask(replace(request, metadata={"till": "4"})))


@LIES.told_as(Name.NOT_AS_ASKED)
def holds_for_another_time(play: Play) -> None:
    request = sale(play, is_hold=True, expires_in_s=600)
    told(play, request, lambda request: play.shop.ask(replace(request, expires_in_s=60)))


@LIES.told_as(Name.NOT_AS_ASKED)
def sells_where_a_hold_was_asked_for(play: Play) -> None:
    told(play, sale(play, is_hold=True), lambda request: play.shop.ask(replace(request, is_hold=False)))


@LIES.told_as(Name.NOT_AS_ASKED)
def captures_more_than_asked(play: Play) -> None:
    request = make(play, Kind.CAPTURE, target=sold(play, is_hold=True).answer["id"], amount=300)
    told(play, request, lambda request: play.shop.ask(replace(request, amount=301)))


@LIES.told_as(Name.NOT_AS_ASKED)
def refunds_a_part_where_all_was_asked(play: Play) -> None:
    told(play, refund_of(play, sold(play)), lambda request: play.shop.ask(replace(request, amount=10)))


@LIES.told_as(Name.NOT_AS_ASKED)
def takes_another_amount_and_does_not_answer(play: Play) -> None:
    request = sale(play)
    play.shop.ask(replace(request, amount=701))
    play.send(request, fate="lost before")
    apart(play)


@LIES.told_as(Name.UNEXPLAINED)
def takes_another_amount_without_key_and_does_not_answer(play: Play) -> None:
    request = sale(play, key=None)
    play.shop.ask(replace(request, amount=701))
    play.send(request, fate="lost before")
    apart(play)


def _answers(play: Play, **members: object) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, **members), is_replay

    told(play, sale(play, is_hold=True), ask)


for _name, _value in {
    "id": "0195f3a2-c4b0-7000-8000-002a5d3e9c41",
    "seller_id": ADMIN,
    "phone_number": "+989120000001",
    "amount": "7.01",
    "currency": "EUR",
    "status": "completed",
    "refunded_amount": "1.00",
    "reference": None,
    "metadata": {"x": "y"},
    "failure_code": "other",
    "expires_at": None,
    "seq": 1,
    "receipt": "0" * 64,
    "balance": {"available": "0.00", "held": "0.00"},
    "created_at": "2026-11-23T10:00:00.123456Z",
    "more": 1,
}.items():

    def _wrong_member(play: Play, members: dict[str, object] = {_name: _value}) -> None:  # noqa: B006
        _answers(play, **members)

    LIES.add(f"answers_a_wrong_{_name}", Name.FIELD_DIFFERS, _wrong_member)


@LIES.told_as(Name.FIELD_DIFFERS)
def answers_a_wrong_decline(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, available="0.01"), is_replay

    told(play, sale(play, amount=10**9), ask)


@LIES.told_as(Name.FIELD_DIFFERS)
def says_sold_where_it_declined(play: Play) -> None:
    other = sold(play)

    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return 201, other.body, False

    told(play, sale(play, amount=10**9), ask)


@LIES.told_as(Name.FIELD_DIFFERS)
def says_declined_where_it_sold(play: Play) -> None:
    def ask(request: Request) -> Answer:
        shown = msgspec.json.decode(play.shop.ask(request)[1])
        available = shown["balance"]["available"]
        return problem(ProblemCode.INSUFFICIENT_CREDIT, charge_id=shown["id"], available=available)

    told(play, sale(play), ask)


@LIES.told_as(Name.FIELD_DIFFERS)
def answers_a_wrong_credit_request(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, status="approved"), is_replay

    told(play, make(play, Kind.REQUEST_CREDIT, amount=500), ask)


@LIES.told_as(Name.FIELD_DIFFERS)
def answers_a_wrong_transaction(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, position=1), is_replay

    told(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN), ask)


@pytest.mark.parametrize(("name", "tell"), LIES.cases())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    assert name in names_found(tell, seed)
