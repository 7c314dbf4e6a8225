"""Shops that refuse what they did or could do, and whose retries disagree: rule 2."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.checker import Name
from loadtest.history import Kind, Request
from service import answers
from service.problems import ProblemCode
from tests.loadtest.plays import Play
from tests.loadtest.shop import ADMIN, Answer
from tests.loadtest.telling import (
    SELLER,
    Lie,
    Lies,
    apart,
    asks_for_credit,
    edited,
    give,
    make,
    names_found,
    problem,
    refund_of,
    sale,
    sold,
    told,
)

LIES = Lies()


@LIES.told_as(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_says_it_did_not(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_APPLIED)

    told(play, sale(play), ask)


@LIES.told_as(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_shed(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.RATE_LIMITED)

    told(play, sale(play), ask)


@LIES.told_as(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_refused(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_PENDING)

    told(play, make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"]), ask)


@LIES.told_as(Name.UNEXPLAINED)
def applies_what_it_refused_without_key(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_APPLIED)

    told(play, sale(play, key=None, phone_number="+989121111111"), ask)


@LIES.told_as(Name.UNEXPLAINED)
def sells_what_nobody_asked_for(play: Play) -> None:
    play.shop.ask(sale(play, phone_number="+989121111111"))
    apart(play)


@LIES.told_as(Name.RETRIES_DISAGREE)
def replays_other_bytes(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (201, event.body.replace(b'":', b'": '), True))


@LIES.told_as(Name.RETRIES_DISAGREE)
def replays_another_status(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (200, event.body, True))


@LIES.told_as(Name.RETRIES_DISAGREE)
def does_not_say_that_it_replays(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (201, event.body, False))


@LIES.told_as(Name.RETRIES_DISAGREE)
def calls_the_first_answer_a_replay(play: Play) -> None:
    told(play, sale(play), lambda request: (*play.shop.ask(request)[:2], True))


@LIES.told_as(Name.RETRIES_DISAGREE)
def sells_to_whom_it_declined(play: Play) -> None:
    """A decline is remembered: credit that came later does not change it."""
    event = play.send(sale(play, amount=10**6), fate="answered")
    assert event.status == 402
    apart(play)
    give(play, 10**6)
    other = sold(play)
    told(play, event.request, lambda _: (201, other.body, False))


@LIES.told_as(Name.RETRIES_DISAGREE)
def declines_again_with_the_present_balance(play: Play) -> None:
    event = play.send(sale(play, amount=10**6), fate="answered")
    apart(play)
    told(play, event.request, lambda _: (402, edited(event.body, available="1.00"), True))


@LIES.told_as(Name.RETRIES_DISAGREE)
def refuses_a_repeated_void(play: Play) -> None:
    event = play.send(make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"]), fate="answered")
    apart(play)
    told(play, event.request, lambda _: problem(ProblemCode.NOT_PENDING))


@LIES.told_as(Name.RETRIES_DISAGREE)
def takes_another_body_for_the_same(play: Play) -> None:
    event = sold(play)
    told(play, replace(event.request, amount=1), lambda _: (201, event.body, False))


def _refuses(play: Play, request: Request, code: ProblemCode, **members: Any) -> None:
    told(play, request, lambda _: problem(code, **members))


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_new_key_used(play: Play) -> None:
    _refuses(play, sale(play), ProblemCode.IDEMPOTENCY_KEY_REUSED)


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_key_used_before_it_was(play: Play) -> None:
    request = sale(play)
    _refuses(play, replace(request, amount=1), ProblemCode.IDEMPOTENCY_KEY_REUSED)
    play.send(request, fate="answered")


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_pending_hold_not_pending(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.CAPTURE, target=event.answer["id"]), ProblemCode.NOT_PENDING)


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_hold_not_pending_before_it_ended(play: Play) -> None:
    calls_a_pending_hold_not_pending(play)
    target = play.events[-1].request.target
    play.send(make(play, Kind.VOID, target=target), fate="answered")


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_pending_request_decided(play: Play) -> None:
    target = asks_for_credit(play)
    _refuses(play, make(play, Kind.REJECT, target=target, made_by=ADMIN), ProblemCode.ALREADY_DECIDED)


@LIES.told_as(Name.FALSE_REFUSAL)
def refuses_a_refund_that_is_covered(play: Play) -> None:
    _refuses(play, refund_of(play, sold(play), amount=700), ProblemCode.REFUND_EXCEEDS_CHARGE)


@LIES.told_as(Name.FALSE_REFUSAL)
def refuses_a_capture_within_the_hold(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.CAPTURE, target=event.answer["id"], amount=700), ProblemCode.VALIDATION_FAILED)


@LIES.told_as(Name.FALSE_REFUSAL)
def refuses_a_debit_that_is_covered(play: Play) -> None:
    available = answers.balance(play.shop.accounts[SELLER].view()).available
    debit = make(play, Kind.ADJUST, amount=-1, note="why", made_by=ADMIN)
    _refuses(play, debit, ProblemCode.INSUFFICIENT_CREDIT, available=available)


@LIES.told_as(Name.FALSE_REFUSAL)
def finds_no_such_charge(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.VOID, target=event.answer["id"]), ProblemCode.NOT_FOUND)


@LIES.told_as(Name.FALSE_REFUSAL)
def says_it_set_a_limit_and_did_not(play: Play) -> None:
    told(play, make(play, Kind.SET_LIMIT, amount=4321, key=None, made_by=ADMIN), lambda _: (200, b"{}", False))


@LIES.told_as(Name.FALSE_REFUSAL)
def calls_a_limit_used(play: Play) -> None:
    request = make(play, Kind.SET_LIMIT, amount=9999, key=None, made_by=ADMIN)
    _refuses(play, request, ProblemCode.LIMIT_IN_USE)


@LIES.told_as(Name.INTERNAL_ERROR)
def breaks(play: Play) -> None:
    _refuses(play, sale(play), ProblemCode.INTERNAL_ERROR)


@pytest.mark.parametrize(("name", "tell"), LIES.cases())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    assert name in names_found(tell, seed)
