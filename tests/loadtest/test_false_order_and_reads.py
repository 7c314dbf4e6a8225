"""Shops that let later pass earlier, and show what was over or never was: rules 3 and 4."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from journal.entry import EntryType
from loadtest.checker import Name
from loadtest.history import Kind
from service import answers
from service.problems import ProblemCode
from tests.loadtest.plays import SELLERS, Play
from tests.loadtest.shop import ADMIN, encode
from tests.loadtest.telling import (
    SELLER,
    Lie,
    Lies,
    apart,
    edited,
    make,
    names_found,
    problem,
    refund_of,
    sale,
    shown_charge,
    sold,
    told,
)

LIES = Lies()


@LIES.told_as(Name.ORDER_VIOLATED)
def lets_a_later_charge_pass_in_front(play: Play) -> None:
    """The second was sent when the first had been acknowledged, and stands before it in the journal."""
    later, earlier = sold(play), sold(play)
    play.events.remove(later)
    play.events.append(replace(later, sent_ns=earlier.answered_ns + 1, answered_ns=earlier.answered_ns + 2))


@LIES.told_as(Name.ORDER_VIOLATED)
def shows_a_charge_before_it_was_asked_for(play: Play) -> None:
    event = sold(play)
    read = play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    play.events.remove(event)
    play.events.append(replace(event, sent_ns=read.answered_ns + 1, answered_ns=read.answered_ns + 2))
    apart(play)


@LIES.told_as(Name.ORDER_VIOLATED)
def applies_an_unknown_one_before_it_was_sent(play: Play) -> None:
    request = sale(play)
    unknown = play.send(request, fate="lost after")
    after = sold(play)
    play.events.remove(unknown)
    play.events.append(replace(unknown, sent_ns=after.answered_ns + 1, answered_ns=after.answered_ns + 2))


@LIES.told_as(Name.STALE_READ)
def shows_a_stale_balance(play: Play) -> None:
    stale = encode(play.shop.balance(SELLER))
    sold(play)
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, stale, False))


@LIES.told_as(Name.STALE_READ)
def shows_less_than_it_has_shown(play: Play) -> None:
    """Read after read: what one has shown the next may not forget, acknowledged or not."""
    stale = encode(play.shop.balance(SELLER))
    play.send(sale(play), fate="lost after")
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    apart(play)
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, stale, False))


@LIES.told_as(Name.STALE_READ)
def shows_a_stale_charge(play: Play) -> None:
    event = sold(play)
    stale = encode(play.shop.charge(SELLER, event.answer["id"]))
    play.send(refund_of(play, event), fate="answered")
    apart(play)
    told(play, shown_charge(play, event), lambda _: (200, stale, False))


def _lists(play: Play, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Three charges are sold; what `change` makes of the list is answered."""
    for _ in range(3):
        sold(play)
    shown = msgspec.json.decode(encode(play.shop.newest_charges(SELLER)))
    change(shown["data"])
    told(play, make(play, Kind.LIST_CHARGES, key=None), lambda _: (200, encode(shown), False))


@LIES.told_as(Name.WRONG_READ)
def lists_without_the_newest(play: Play) -> None:
    _lists(play, lambda data: data.pop(0))


@LIES.told_as(Name.WRONG_READ)
def lists_without_one_in_the_middle(play: Play) -> None:
    _lists(play, lambda data: data.pop(1))


@LIES.told_as(Name.WRONG_READ)
def lists_without_the_oldest(play: Play) -> None:
    _lists(play, lambda data: data.pop())


@LIES.told_as(Name.WRONG_READ)
def lists_one_twice(play: Play) -> None:
    _lists(play, lambda data: data.insert(0, data[0]))


@LIES.told_as(Name.WRONG_READ)
def lists_out_of_order(play: Play) -> None:
    _lists(play, lambda data: data.reverse())


@LIES.told_as(Name.WRONG_READ)
def lists_another_amount(play: Play) -> None:
    _lists(play, lambda data: data[1].update(amount="0.01"))


@LIES.told_as(Name.WRONG_READ)
def lists_the_charge_of_another(play: Play) -> None:
    _lists(play, lambda data: data[1].update(id=ADMIN))


@LIES.told_as(Name.STALE_READ)
def lists_a_charge_as_it_was(play: Play) -> None:
    event = sold(play)
    stale = encode(play.shop.newest_charges(SELLER))
    play.send(refund_of(play, event), fate="answered")
    apart(play)
    told(play, make(play, Kind.LIST_CHARGES, key=None), lambda _: (200, stale, False))


def _shows_balance(play: Play, **members: object) -> None:
    shown = edited(encode(play.shop.balance(SELLER)), **members)
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, shown, False))


for _name, _shown in {
    "available": "0.01",
    "held": "0.01",
    "credit_limit": "12.34",
    "currency": "EUR",
    "seller_id": ADMIN,
    "seq": 10**6,
    "as_of": "2020-01-01T00:00:00.000000Z",
    "more": 1,
}.items():

    def _wrong_balance(play: Play, members: dict[str, object] = {_name: _shown}) -> None:  # noqa: B006
        _shows_balance(play, **members)

    LIES.add(f"shows_a_wrong_{_name}", Name.WRONG_READ, _wrong_balance)


@LIES.told_as(Name.WRONG_READ)
def shows_a_balance_of_another_seq(play: Play) -> None:
    sold(play)
    _shows_balance(play, seq=play.shop.accounts[SELLER].seq - 1)


@LIES.told_as(Name.WRONG_READ)
def shows_what_is_not_durable(play: Play) -> None:
    """A read in front of a flush that then fails."""
    state = play.shop.account_state(SELLER)
    request = sale(play)
    play.shop.ask(request)
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    play.shop.put_back(SELLER, state)
    play.send(request, fate="unknown before")
    apart(play)


@LIES.told_as(Name.WRONG_READ)
def shows_half_of_a_partial_capture(play: Play) -> None:
    event = sold(play, is_hold=True)
    play.send(make(play, Kind.CAPTURE, target=event.answer["id"], amount=300), fate="answered")
    void = play.shop.entries[SELLER][-2][0]
    assert void.type is EntryType.VOID
    shown = encode(answers.balance_after(void, SELLERS[SELLER], play.shop.now_us))
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, shown, False))


@LIES.told_as(Name.WRONG_READ)
def shows_an_expired_hold_as_held(play: Play) -> None:
    sold(play, is_hold=True, expires_in_s=1)
    play.shop.now_us += 2_000_000
    shown = encode(play.shop.balance(SELLER))
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, shown, False))


@LIES.told_as(Name.WRONG_READ)
def shows_a_charge_as_another(play: Play) -> None:
    event, other = sold(play), sold(play)
    told(play, shown_charge(play, event), lambda _: (200, other.body, False))


@LIES.told_as(Name.WRONG_READ)
def shows_a_charge_with_a_wrong_status(play: Play) -> None:
    event = sold(play)
    told(play, shown_charge(play, event), lambda _: (200, edited(event.body, status="refunded"), False))


@LIES.told_as(Name.WRONG_READ)
def does_not_know_its_own_charge(play: Play) -> None:
    event = sold(play)
    told(play, shown_charge(play, event), lambda _: problem(ProblemCode.NOT_FOUND))


@pytest.mark.parametrize(("name", "tell"), LIES.cases())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    assert name in names_found(tell, seed)
