"""Shops that lose what they acknowledged, or do it twice: rule 2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.checker import Name
from loadtest.history import Kind, Request
from tests.loadtest.plays import Play, of_batch
from tests.loadtest.shop import ADMIN, Answer
from tests.loadtest.telling import (
    SELLER,
    Lie,
    Lies,
    apart,
    asks_for_credit,
    edited,
    make,
    names_found,
    refund_of,
    sale,
    sold,
    told,
)

LIES = Lies()


def _loses(play: Play, request: Request) -> None:
    state = play.shop.account_state(SELLER)
    assert play.send(request, fate="answered").status in (200, 201, 402)
    play.shop.put_back(SELLER, state)
    apart(play)


@LIES.told_as(Name.LOST)
def loses_a_charge(play: Play) -> None:
    _loses(play, sale(play))


@LIES.told_as(Name.LOST)
def loses_a_charge_without_key(play: Play) -> None:
    _loses(play, sale(play, key=None))


@LIES.told_as(Name.LOST)
def loses_a_charge_of_a_batch(play: Play) -> None:
    _loses(play, sale(play))
    play.events[-1] = of_batch(play.events[-1])


@LIES.told_as(Name.FIELD_DIFFERS)
def gives_a_batch_the_id_of_another_charge(play: Play) -> None:
    other = sold(play)
    event = of_batch(sold(play))
    play.events[-1] = replace(event, body=edited(event.body, id=other.answer["id"]))


@LIES.told_as(Name.FIELD_DIFFERS)
def tells_a_batch_that_a_sale_is_pending(play: Play) -> None:
    event = of_batch(sold(play))
    play.events[-1] = replace(event, body=edited(event.body, status="pending"))


@LIES.told_as(Name.LOST)
def loses_a_decline(play: Play) -> None:
    _loses(play, sale(play, amount=10**9))


@LIES.told_as(Name.LOST)
def loses_a_hold(play: Play) -> None:
    _loses(play, sale(play, is_hold=True))


@LIES.told_as(Name.LOST)
def loses_a_capture(play: Play) -> None:
    _loses(play, make(play, Kind.CAPTURE, target=sold(play, is_hold=True).answer["id"], amount=300))


@LIES.told_as(Name.LOST)
def loses_a_void_without_key(play: Play) -> None:
    _loses(play, make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"], key=None))


@LIES.told_as(Name.LOST)
def loses_a_refund(play: Play) -> None:
    _loses(play, refund_of(play, sold(play)))


@LIES.told_as(Name.LOST)
def loses_an_adjustment(play: Play) -> None:
    _loses(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN))


@LIES.told_as(Name.LOST)
def loses_a_credit_request(play: Play) -> None:
    _loses(play, make(play, Kind.REQUEST_CREDIT, amount=500))


@LIES.told_as(Name.LOST)
def loses_an_approval(play: Play) -> None:
    target = asks_for_credit(play)
    _loses(play, make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN))


@LIES.told_as(Name.TOTALS_OFF)
def loses_approved_credit(play: Play) -> None:
    loses_an_approval(play)


@LIES.told_as(Name.LOST)
def forgets_the_newest_after_a_restart(play: Play) -> None:
    """Several acknowledged, all gone, and the retry is a first time again."""
    requests = [sale(play), sale(play), sale(play)]
    state = play.shop.account_state(SELLER)
    for request in requests:
        play.send(request, fate="answered")
    play.shop.put_back(SELLER, state)
    apart(play)
    play.send(requests[0], fate="answered")


@LIES.told_as(Name.RETRIES_DISAGREE)
def forgets_a_key_and_gives_a_new_answer(play: Play) -> None:
    forgets_the_newest_after_a_restart(play)


def _twice(play: Play, request: Request) -> None:
    def ask(request: Request) -> Answer:
        play.shop.first_time(request)
        play.shop.now_us += 2000
        return play.shop.first_time(request)

    assert told(play, request, ask).status in (200, 201, 402)


@LIES.told_as(Name.DOUBLED)
def doubles_a_charge(play: Play) -> None:
    _twice(play, sale(play))


@LIES.told_as(Name.DOUBLED)
def doubles_a_charge_without_key(play: Play) -> None:
    _twice(play, sale(play, key=None))


@LIES.told_as(Name.DOUBLED)
def doubles_a_decline(play: Play) -> None:
    _twice(play, sale(play, amount=10**9))


@LIES.told_as(Name.DOUBLED)
def doubles_an_adjustment(play: Play) -> None:
    _twice(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN))


@LIES.told_as(Name.DOUBLED)
def doubles_a_retry_after_an_unknown_outcome(play: Play) -> None:
    request = sale(play)
    play.send(request, fate="lost after")
    apart(play)
    told(play, request, play.shop.first_time)


@LIES.told_as(Name.DOUBLED)
def doubles_without_the_key(play: Play) -> None:
    """The second entry carries no key, so that no unique index could have refused it."""
    request = sale(play)

    def ask(request: Request) -> Answer:
        play.shop.first_time(replace(request, key=None))
        play.shop.now_us += 2000
        return play.shop.first_time(request)

    told(play, request, ask)


@LIES.told_as(Name.DOUBLED)
def gives_two_requests_one_entry(play: Play) -> None:
    first = sale(play, key=None)
    answer = told(play, first, play.shop.ask)
    told(play, replace(first, reference="a-reference"), lambda _: (201, answer.body, False))


@pytest.mark.parametrize(("name", "tell"), LIES.cases())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    assert name in names_found(tell, seed)
