"""Shops whose journal is whole and yet tells what cannot be: rules 1, 5 and 6."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.account import Rules, decide
from actors.commands import Refusal
from journal.chain import seal
from journal.projections import ChargeStatus, OpenedCharge, OpenedRequest
from loadtest.checker import Name
from loadtest.history import Kind, Request
from tests.loadtest.plays import Play
from tests.loadtest.shop import ADMIN, Answer, command_of
from tests.loadtest.telling import (
    SELLER,
    Lie,
    Lies,
    apart,
    asks_for_credit,
    give,
    make,
    names_found,
    refund_of,
    sale,
    sold,
    told,
)

LIES = Lies()


@LIES.told_as(Name.FLOOR_PASSED)
def sells_beyond_the_credit(play: Play) -> None:
    account = play.shop.accounts[SELLER]
    limit, account.credit_limit = account.credit_limit, 10**9
    event = sold(play, amount=account.available + limit + 1)
    account.credit_limit = limit
    give(play, 10**6)
    assert event.status == 201


@LIES.told_as(Name.IMPOSSIBLE_STEP)
def voids_what_was_captured(play: Play) -> None:
    first, _ = sold(play, is_hold=True), sold(play, is_hold=True)
    charge_id = first.answer["id"]
    assert play.send(make(play, Kind.CAPTURE, target=charge_id), fate="answered").status == 200
    charges = play.shop.accounts[SELLER].charges
    charges[charge_id] = OpenedCharge(
        replace(charges[charge_id].row, status=ChargeStatus.PENDING), charges[charge_id].opening
    )
    assert play.send(make(play, Kind.VOID, target=charge_id), fate="answered").status == 200


@LIES.told_as(Name.IMPOSSIBLE_STEP)
def refunds_twice_what_was_paid(play: Play) -> None:
    event = sold(play)
    charge_id = event.answer["id"]
    assert play.send(refund_of(play, event), fate="answered").status == 200
    charges = play.shop.accounts[SELLER].charges
    row = replace(charges[charge_id].row, status=ChargeStatus.COMPLETED, refunded=0)
    charges[charge_id] = OpenedCharge(row, charges[charge_id].opening)
    assert play.send(refund_of(play, event), fate="answered").status == 200


@LIES.told_as(Name.IMPOSSIBLE_STEP)
def lets_a_hold_outlive_its_expiry(play: Play) -> None:
    sold(play, is_hold=True, expires_in_s=1)
    play.shop.now_us += 2_000_000
    settle, play.shop.settle = play.shop.settle, lambda seller_id: None  # type: ignore[method-assign]
    sold(play)
    play.shop.settle = settle  # type: ignore[method-assign]


@LIES.told_as(Name.IMPOSSIBLE_STEP)
def lets_a_hold_expire_early(play: Play) -> None:
    event = sold(play, is_hold=True, expires_in_s=60)
    account = play.shop.accounts[SELLER]
    account.expiries = [
        (account.at_us if charge_id == event.answer["id"] else at_us, charge_id)
        for at_us, charge_id in account.expiries
    ]
    account.expiries.sort()
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")


@LIES.told_as(Name.FALSE_DECLINE)
def declines_who_has_the_credit(play: Play) -> None:
    request = sale(play, amount=1)

    def decide_falsely(request: Request) -> Answer:
        account = play.shop.accounts[SELLER]
        decision = decide(account, command_of(replace(request, amount=10**12)), play.shop.now_us, Rules())
        assert not isinstance(decision, Refusal)
        false = seal(replace(decision[0], details='{"amount":"0.01"}', hash=b""))
        entry, position = play.shop.write(SELLER, ((false,),))
        done = play.shop.done(request, entry, position)
        play.shop.remembered[SELLER, "seller", request.key or ""] = (request, done)
        return (*play.shop.answer(request, done), False)

    told(play, request, decide_falsely)


@LIES.told_as(Name.TOTALS_OFF)
def credits_more_than_was_requested(play: Play) -> None:
    target = asks_for_credit(play, 500)
    requests = play.shop.accounts[SELLER].requests
    requests[target] = OpenedRequest(replace(requests[target].row, amount=600), requests[target].opening)
    play.send(make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN), fate="answered")
    apart(play)


@LIES.told_as(Name.IMPOSSIBLE_STEP)
def approves_twice(play: Play) -> None:
    target = asks_for_credit(play, 500)
    requests = play.shop.accounts[SELLER].requests
    pending = requests[target]
    for _ in range(2):
        requests[target] = pending
        play.send(make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN), fate="answered")
        apart(play)


@pytest.mark.parametrize(("name", "tell"), LIES.cases())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    assert name in names_found(tell, seed)
