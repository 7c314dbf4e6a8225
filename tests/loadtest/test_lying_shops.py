"""Each way in which a shop can break its word is found, and called by its name.

Every lie is told in the middle of an otherwise correct play, by a shop that goes on from it as if nothing had
happened; so journals stay whole, chained and balanced unless that is the lie.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.account import OpenCharge, OpenRequest, Rules, decide
from actors.commands import Refusal
from journal.chain import seal
from journal.entry import EntryType
from journal.projections import ChargeStatus
from loadtest.checker import Name
from loadtest.history import Event, Kind, Request
from service import answers
from service.problems import Problem, ProblemCode
from tests.loadtest.plays import REACH_NS, SELLERS, Play
from tests.loadtest.shop import ADMIN, Answer, command_of, encode

SELLER = next(iter(SELLERS))
Lie = Callable[[Play], None]
LIES: list[tuple[str, Name, Lie]] = []


def lie(name: Name) -> Callable[[Lie], Lie]:
    def add(function: Lie) -> Lie:
        LIES.append((function.__name__, name, function))
        return function

    return add


# --- what lies are made of ------------------------------------------------------------------------------------


def rich(play: Play) -> None:
    """Credit enough for what follows, in state that has settled."""
    play.shop.now_us += 120_000_000
    play.now_ns += 3 * REACH_NS
    give(play, 50_000)


def give(play: Play, amount: int) -> None:
    adjust = make(play, Kind.ADJUST, amount=amount, note="gift", made_by=ADMIN)
    assert play.send(adjust, fate="answered").status == 201
    apart(play)


def apart(play: Play) -> None:
    """Whatever comes next is sent after everything before was answered, and in another millisecond."""
    play.now_ns += 3 * REACH_NS
    play.shop.now_us += 2000


def make(play: Play, kind: Kind, **members: object) -> Request:
    return play.make(kind, SELLER, SELLERS[SELLER], **members)


def sale(play: Play, **members: object) -> Request:
    given: dict[str, object] = {"phone_number": "+989121234567", "reference": "a-reference", "amount": 700, **members}
    return make(play, Kind.CHARGE, **given)


def sold(play: Play, **members: object) -> Event:
    event = play.send(sale(play, **members), fate="answered")
    assert event.status == 201
    apart(play)
    return event


def shown_charge(play: Play, event: Event) -> Request:
    return make(play, Kind.READ_CHARGE, target=event.answer["id"], key=None)


def refund_of(play: Play, event: Event, **members: object) -> Request:
    return make(play, Kind.REFUND, target=event.answer["id"], note="why", made_by=ADMIN, **members)


def told(play: Play, request: Request, ask: Callable[[Request], Answer]) -> Event:
    """The request, answered by a lie."""
    event = play.send(request, fate="answered", ask=ask)
    apart(play)
    return event


def edited(body: bytes, **members: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body) | members)


def problem(code: ProblemCode, **members: Any) -> Answer:
    made = Problem(code, **members)
    return made.status, made.body("request-x"), False


# --- rule 1 ---------------------------------------------------------------------------------------------------


@lie(Name.FLOOR_PASSED)
def sells_beyond_the_credit(play: Play) -> None:
    account = play.shop.accounts[SELLER]
    limit, account.credit_limit = account.credit_limit, 10**9
    event = sold(play, amount=account.available + limit + 1)
    account.credit_limit = limit
    give(play, 10**6)
    assert event.status == 201


@lie(Name.IMPOSSIBLE_STEP)
def voids_what_was_captured(play: Play) -> None:
    first, _ = sold(play, is_hold=True), sold(play, is_hold=True)
    charge_id = first.answer["id"]
    assert play.send(make(play, Kind.CAPTURE, target=charge_id), fate="answered").status == 200
    charges = play.shop.accounts[SELLER].charges
    charges[charge_id] = OpenCharge(
        replace(charges[charge_id].row, status=ChargeStatus.PENDING), charges[charge_id].opening
    )
    assert play.send(make(play, Kind.VOID, target=charge_id), fate="answered").status == 200


@lie(Name.IMPOSSIBLE_STEP)
def refunds_twice_what_was_paid(play: Play) -> None:
    event = sold(play)
    charge_id = event.answer["id"]
    assert play.send(refund_of(play, event), fate="answered").status == 200
    charges = play.shop.accounts[SELLER].charges
    row = replace(charges[charge_id].row, status=ChargeStatus.COMPLETED, refunded=0)
    charges[charge_id] = OpenCharge(row, charges[charge_id].opening)
    assert play.send(refund_of(play, event), fate="answered").status == 200


@lie(Name.IMPOSSIBLE_STEP)
def lets_a_hold_outlive_its_expiry(play: Play) -> None:
    sold(play, is_hold=True, expires_in_s=1)
    play.shop.now_us += 2_000_000
    settle, play.shop.settle = play.shop.settle, lambda seller_id: None  # type: ignore[method-assign]
    sold(play)
    play.shop.settle = settle  # type: ignore[method-assign]


@lie(Name.IMPOSSIBLE_STEP)
def lets_a_hold_expire_early(play: Play) -> None:
    event = sold(play, is_hold=True, expires_in_s=60)
    account = play.shop.accounts[SELLER]
    account.expiries = [
        (account.at_us if charge_id == event.answer["id"] else at_us, charge_id)
        for at_us, charge_id in account.expiries
    ]
    account.expiries.sort()
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")


# --- rule 2 ---------------------------------------------------------------------------------------------------


def _loses(play: Play, request: Request) -> None:
    state = play.shop.account_state(SELLER)
    assert play.send(request, fate="answered").status in (200, 201, 402)
    play.shop.put_back(SELLER, state)
    apart(play)


@lie(Name.LOST)
def loses_a_charge(play: Play) -> None:
    _loses(play, sale(play))


@lie(Name.LOST)
def loses_a_charge_without_key(play: Play) -> None:
    _loses(play, sale(play, key=None))


@lie(Name.LOST)
def loses_a_decline(play: Play) -> None:
    _loses(play, sale(play, amount=10**9))


@lie(Name.LOST)
def loses_a_hold(play: Play) -> None:
    _loses(play, sale(play, is_hold=True))


@lie(Name.LOST)
def loses_a_capture(play: Play) -> None:
    _loses(play, make(play, Kind.CAPTURE, target=sold(play, is_hold=True).answer["id"], amount=300))


@lie(Name.LOST)
def loses_a_void_without_key(play: Play) -> None:
    _loses(play, make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"], key=None))


@lie(Name.LOST)
def loses_a_refund(play: Play) -> None:
    _loses(play, refund_of(play, sold(play)))


@lie(Name.LOST)
def loses_an_adjustment(play: Play) -> None:
    _loses(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN))


@lie(Name.LOST)
def loses_a_credit_request(play: Play) -> None:
    _loses(play, make(play, Kind.REQUEST_CREDIT, amount=500))


def _asks_for_credit(play: Play, amount: int = 500) -> str:
    event = play.send(make(play, Kind.REQUEST_CREDIT, amount=amount), fate="answered")
    assert event.status == 201
    apart(play)
    return str(event.answer["id"])


@lie(Name.LOST)
def loses_an_approval(play: Play) -> None:
    target = _asks_for_credit(play)
    _loses(play, make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN))


@lie(Name.TOTALS_OFF)
def loses_approved_credit(play: Play) -> None:
    loses_an_approval(play)


@lie(Name.LOST)
def forgets_the_newest_after_a_restart(play: Play) -> None:
    """Several acknowledged, all gone, and the retry is a first time again."""
    requests = [sale(play), sale(play), sale(play)]
    state = play.shop.account_state(SELLER)
    for request in requests:
        play.send(request, fate="answered")
    play.shop.put_back(SELLER, state)
    apart(play)
    play.send(requests[0], fate="answered")


@lie(Name.RETRIES_DISAGREE)
def forgets_a_key_and_gives_a_new_answer(play: Play) -> None:
    forgets_the_newest_after_a_restart(play)


def _twice(play: Play, request: Request) -> None:
    def ask(request: Request) -> Answer:
        play.shop.first_time(request)
        play.shop.now_us += 2000
        return play.shop.first_time(request)

    assert told(play, request, ask).status in (200, 201, 402)


@lie(Name.DOUBLED)
def doubles_a_charge(play: Play) -> None:
    _twice(play, sale(play))


@lie(Name.DOUBLED)
def doubles_a_charge_without_key(play: Play) -> None:
    _twice(play, sale(play, key=None))


@lie(Name.DOUBLED)
def doubles_a_decline(play: Play) -> None:
    _twice(play, sale(play, amount=10**9))


@lie(Name.DOUBLED)
def doubles_an_adjustment(play: Play) -> None:
    _twice(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN))


@lie(Name.DOUBLED)
def doubles_a_retry_after_an_unknown_outcome(play: Play) -> None:
    request = sale(play)
    play.send(request, fate="lost after")
    apart(play)
    told(play, request, play.shop.first_time)


@lie(Name.DOUBLED)
def doubles_without_the_key(play: Play) -> None:
    """The second entry carries no key, so that no unique index could have refused it."""
    request = sale(play)

    def ask(request: Request) -> Answer:
        play.shop.first_time(replace(request, key=None))
        play.shop.now_us += 2000
        return play.shop.first_time(request)

    told(play, request, ask)


@lie(Name.DOUBLED)
def gives_two_requests_one_entry(play: Play) -> None:
    first = sale(play, key=None)
    answer = told(play, first, play.shop.ask)
    told(play, replace(first, reference="a-reference"), lambda _: (201, answer.body, False))


@lie(Name.NOT_AS_ASKED)
def takes_another_amount(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, amount=701)))


@lie(Name.NOT_AS_ASKED)
def charges_another_phone(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, phone_number="+989121234568")))


@lie(Name.NOT_AS_ASKED)
def drops_the_reference(play: Play) -> None:
    told(play, sale(play), lambda request: play.shop.ask(replace(request, reference=None)))


@lie(Name.NOT_AS_ASKED)
def changes_the_metadata(play: Play) -> None:
    request = sale(play, metadata={"till": "3"})
    told(play, request, lambda request: play.shop.ask(replace(request, metadata={"till": "4"})))


@lie(Name.NOT_AS_ASKED)
def holds_for_another_time(play: Play) -> None:
    request = sale(play, is_hold=True, expires_in_s=600)
    told(play, request, lambda request: play.shop.ask(replace(request, expires_in_s=60)))


@lie(Name.NOT_AS_ASKED)
def sells_where_a_hold_was_asked_for(play: Play) -> None:
    told(play, sale(play, is_hold=True), lambda request: play.shop.ask(replace(request, is_hold=False)))


@lie(Name.NOT_AS_ASKED)
def captures_more_than_asked(play: Play) -> None:
    request = make(play, Kind.CAPTURE, target=sold(play, is_hold=True).answer["id"], amount=300)
    told(play, request, lambda request: play.shop.ask(replace(request, amount=301)))


@lie(Name.NOT_AS_ASKED)
def refunds_a_part_where_all_was_asked(play: Play) -> None:
    told(play, refund_of(play, sold(play)), lambda request: play.shop.ask(replace(request, amount=10)))


@lie(Name.NOT_AS_ASKED)
def takes_another_amount_and_does_not_answer(play: Play) -> None:
    request = sale(play)
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

    LIES.append((f"answers_a_wrong_{_name}", Name.FIELD_DIFFERS, _wrong_member))


@lie(Name.FIELD_DIFFERS)
def answers_a_wrong_decline(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, available="0.01"), is_replay

    told(play, sale(play, amount=10**9), ask)


@lie(Name.FIELD_DIFFERS)
def says_sold_where_it_declined(play: Play) -> None:
    other = sold(play)

    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return 201, other.body, False

    told(play, sale(play, amount=10**9), ask)


@lie(Name.FIELD_DIFFERS)
def answers_a_wrong_credit_request(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, status="approved"), is_replay

    told(play, make(play, Kind.REQUEST_CREDIT, amount=500), ask)


@lie(Name.FIELD_DIFFERS)
def answers_a_wrong_transaction(play: Play) -> None:
    def ask(request: Request) -> Answer:
        status, body, is_replay = play.shop.ask(request)
        return status, edited(body, position=1), is_replay

    told(play, make(play, Kind.ADJUST, amount=500, note="gift", made_by=ADMIN), ask)


@lie(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_says_it_did_not(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_APPLIED)

    told(play, sale(play), ask)


@lie(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_shed(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.RATE_LIMITED)

    told(play, sale(play), ask)


@lie(Name.APPLIED_THOUGH_REFUSED)
def applies_what_it_refused(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_PENDING)

    told(play, make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"]), ask)


@lie(Name.UNEXPLAINED)
def applies_what_it_refused_without_key(play: Play) -> None:
    def ask(request: Request) -> Answer:
        play.shop.ask(request)
        return problem(ProblemCode.NOT_APPLIED)

    told(play, sale(play, key=None, phone_number="+989121111111"), ask)


@lie(Name.UNEXPLAINED)
def sells_what_nobody_asked_for(play: Play) -> None:
    play.shop.ask(sale(play, phone_number="+989121111111"))
    apart(play)


@lie(Name.RETRIES_DISAGREE)
def replays_other_bytes(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (201, event.body.replace(b":", b": "), True))


@lie(Name.RETRIES_DISAGREE)
def replays_another_status(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (200, event.body, True))


@lie(Name.RETRIES_DISAGREE)
def does_not_say_that_it_replays(play: Play) -> None:
    event = sold(play)
    told(play, event.request, lambda _: (201, event.body, False))


@lie(Name.RETRIES_DISAGREE)
def calls_the_first_answer_a_replay(play: Play) -> None:
    told(play, sale(play), lambda request: (*play.shop.ask(request)[:2], True))


@lie(Name.RETRIES_DISAGREE)
def sells_to_whom_it_declined(play: Play) -> None:
    """A decline is remembered: credit that came later does not change it."""
    event = play.send(sale(play, amount=10**6), fate="answered")
    assert event.status == 402
    apart(play)
    give(play, 10**6)
    other = sold(play)
    told(play, event.request, lambda _: (201, other.body, False))


@lie(Name.RETRIES_DISAGREE)
def declines_again_with_the_present_balance(play: Play) -> None:
    event = play.send(sale(play, amount=10**6), fate="answered")
    apart(play)
    told(play, event.request, lambda _: (402, edited(event.body, available="1.00"), True))


@lie(Name.RETRIES_DISAGREE)
def refuses_a_repeated_void(play: Play) -> None:
    event = play.send(make(play, Kind.VOID, target=sold(play, is_hold=True).answer["id"]), fate="answered")
    apart(play)
    told(play, event.request, lambda _: problem(ProblemCode.NOT_PENDING))


@lie(Name.RETRIES_DISAGREE)
def takes_another_body_for_the_same(play: Play) -> None:
    event = sold(play)
    told(play, replace(event.request, amount=1), lambda _: (201, event.body, False))


def _refuses(play: Play, request: Request, code: ProblemCode, **members: Any) -> None:
    told(play, request, lambda _: problem(code, **members))


@lie(Name.FALSE_REFUSAL)
def calls_a_new_key_used(play: Play) -> None:
    _refuses(play, sale(play), ProblemCode.IDEMPOTENCY_KEY_REUSED)


@lie(Name.FALSE_REFUSAL)
def calls_a_key_used_before_it_was(play: Play) -> None:
    request = sale(play)
    _refuses(play, replace(request, amount=1), ProblemCode.IDEMPOTENCY_KEY_REUSED)
    play.send(request, fate="answered")


@lie(Name.FALSE_REFUSAL)
def calls_a_pending_hold_not_pending(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.CAPTURE, target=event.answer["id"]), ProblemCode.NOT_PENDING)


@lie(Name.FALSE_REFUSAL)
def calls_a_hold_not_pending_before_it_ended(play: Play) -> None:
    calls_a_pending_hold_not_pending(play)
    target = play.events[-1].request.target
    play.send(make(play, Kind.VOID, target=target), fate="answered")


@lie(Name.FALSE_REFUSAL)
def calls_a_pending_request_decided(play: Play) -> None:
    target = _asks_for_credit(play)
    _refuses(play, make(play, Kind.REJECT, target=target, made_by=ADMIN), ProblemCode.ALREADY_DECIDED)


@lie(Name.FALSE_REFUSAL)
def refuses_a_refund_that_is_covered(play: Play) -> None:
    _refuses(play, refund_of(play, sold(play), amount=700), ProblemCode.REFUND_EXCEEDS_CHARGE)


@lie(Name.FALSE_REFUSAL)
def refuses_a_capture_within_the_hold(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.CAPTURE, target=event.answer["id"], amount=700), ProblemCode.VALIDATION_FAILED)


@lie(Name.FALSE_REFUSAL)
def refuses_a_debit_that_is_covered(play: Play) -> None:
    available = answers.balance(play.shop.accounts[SELLER].view(), 0).available
    debit = make(play, Kind.ADJUST, amount=-1, note="why", made_by=ADMIN)
    _refuses(play, debit, ProblemCode.INSUFFICIENT_CREDIT, available=available)


@lie(Name.FALSE_REFUSAL)
def finds_no_such_charge(play: Play) -> None:
    event = sold(play, is_hold=True)
    _refuses(play, make(play, Kind.VOID, target=event.answer["id"]), ProblemCode.NOT_FOUND)


@lie(Name.FALSE_REFUSAL)
def says_it_set_a_limit_and_did_not(play: Play) -> None:
    told(play, make(play, Kind.SET_LIMIT, amount=4321, key=None, made_by=ADMIN), lambda _: (200, b"{}", False))


@lie(Name.FALSE_REFUSAL)
def calls_a_limit_used(play: Play) -> None:
    request = make(play, Kind.SET_LIMIT, amount=9999, key=None, made_by=ADMIN)
    _refuses(play, request, ProblemCode.LIMIT_IN_USE)


@lie(Name.INTERNAL_ERROR)
def breaks(play: Play) -> None:
    _refuses(play, sale(play), ProblemCode.INTERNAL_ERROR)


# --- rule 3 ---------------------------------------------------------------------------------------------------


@lie(Name.ORDER_VIOLATED)
def lets_a_later_charge_pass_in_front(play: Play) -> None:
    """The second was sent when the first had been acknowledged, and stands before it in the journal."""
    later, earlier = sold(play), sold(play)
    play.events.remove(later)
    play.events.append(replace(later, sent_ns=earlier.answered_ns + 1, answered_ns=earlier.answered_ns + 2))


@lie(Name.ORDER_VIOLATED)
def shows_a_charge_before_it_was_asked_for(play: Play) -> None:
    event = sold(play)
    read = play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    play.events.remove(event)
    play.events.append(replace(event, sent_ns=read.answered_ns + 1, answered_ns=read.answered_ns + 2))
    apart(play)


@lie(Name.ORDER_VIOLATED)
def applies_an_unknown_one_before_it_was_sent(play: Play) -> None:
    request = sale(play)
    unknown = play.send(request, fate="lost after")
    after = sold(play)
    play.events.remove(unknown)
    play.events.append(replace(unknown, sent_ns=after.answered_ns + 1, answered_ns=after.answered_ns + 2))


# --- rule 4 ---------------------------------------------------------------------------------------------------


@lie(Name.STALE_READ)
def shows_a_stale_balance(play: Play) -> None:
    stale = encode(play.shop.balance(SELLER))
    sold(play)
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, stale, False))


@lie(Name.STALE_READ)
def shows_less_than_it_has_shown(play: Play) -> None:
    """Read after read: what one has shown the next may not forget, acknowledged or not."""
    stale = encode(play.shop.balance(SELLER))
    play.send(sale(play), fate="lost after")
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    apart(play)
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, stale, False))


@lie(Name.STALE_READ)
def shows_a_stale_charge(play: Play) -> None:
    event = sold(play)
    stale = encode(play.shop.charge(SELLER, event.answer["id"]))
    play.send(refund_of(play, event), fate="answered")
    apart(play)
    told(play, shown_charge(play, event), lambda _: (200, stale, False))


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

    LIES.append((f"shows_a_wrong_{_name}", Name.WRONG_READ, _wrong_balance))


@lie(Name.WRONG_READ)
def shows_a_balance_of_another_seq(play: Play) -> None:
    sold(play)
    _shows_balance(play, seq=play.shop.accounts[SELLER].seq - 1)


@lie(Name.WRONG_READ)
def shows_what_is_not_durable(play: Play) -> None:
    """A read in front of a flush that then fails."""
    state = play.shop.account_state(SELLER)
    request = sale(play)
    play.shop.ask(request)
    play.send(make(play, Kind.READ_BALANCE, key=None), fate="answered")
    play.shop.put_back(SELLER, state)
    play.send(request, fate="unknown before")
    apart(play)


@lie(Name.WRONG_READ)
def shows_half_of_a_partial_capture(play: Play) -> None:
    event = sold(play, is_hold=True)
    play.send(make(play, Kind.CAPTURE, target=event.answer["id"], amount=300), fate="answered")
    void = play.shop.entries[SELLER][-2][0]
    assert void.type is EntryType.VOID
    shown = encode(answers.balance_after(void, SELLERS[SELLER], play.shop.now_us))
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, shown, False))


@lie(Name.WRONG_READ)
def shows_an_expired_hold_as_held(play: Play) -> None:
    sold(play, is_hold=True, expires_in_s=1)
    play.shop.now_us += 2_000_000
    shown = encode(play.shop.balance(SELLER))
    told(play, make(play, Kind.READ_BALANCE, key=None), lambda _: (200, shown, False))


@lie(Name.WRONG_READ)
def shows_a_charge_as_another(play: Play) -> None:
    event, other = sold(play), sold(play)
    told(play, shown_charge(play, event), lambda _: (200, other.body, False))


@lie(Name.WRONG_READ)
def shows_a_charge_with_a_wrong_status(play: Play) -> None:
    event = sold(play)
    told(play, shown_charge(play, event), lambda _: (200, edited(event.body, status="refunded"), False))


@lie(Name.WRONG_READ)
def does_not_know_its_own_charge(play: Play) -> None:
    event = sold(play)
    told(play, shown_charge(play, event), lambda _: problem(ProblemCode.NOT_FOUND))


# --- rule 5 ---------------------------------------------------------------------------------------------------


@lie(Name.FALSE_DECLINE)
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


# --- rule 6 ---------------------------------------------------------------------------------------------------


@lie(Name.TOTALS_OFF)
def credits_more_than_was_requested(play: Play) -> None:
    target = _asks_for_credit(play, 500)
    requests = play.shop.accounts[SELLER].requests
    requests[target] = OpenRequest(replace(requests[target].row, amount=600), requests[target].opening)
    play.send(make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN), fate="answered")
    apart(play)


@lie(Name.IMPOSSIBLE_STEP)
def approves_twice(play: Play) -> None:
    target = _asks_for_credit(play, 500)
    requests = play.shop.accounts[SELLER].requests
    pending = requests[target]
    for _ in range(2):
        requests[target] = pending
        play.send(make(play, Kind.APPROVE, target=target, amount=500, made_by=ADMIN), fate="answered")
        apart(play)


# --- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "tell"), [pytest.param(name, tell, id=title) for title, name, tell in LIES])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_lie_is_found_and_named(name: Name, tell: Lie, seed: int):
    play = Play(Random(seed))
    play.run(12)
    rich(play)
    assert play.record().check().violations == []
    tell(play)
    play.run_more(8)
    findings = play.record().check()
    assert name in {violation.name for violation in findings.violations}, findings.violations
