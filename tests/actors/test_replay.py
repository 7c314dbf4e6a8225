"""What no rule allows is found even when everything else about it is right: the numbering, the hashes, the sums."""

from typing import Any

import pytest
from msgspec.structs import replace

from actors.account import BALANCE_MAX, REQUESTS_PENDING_MAX, Account, Rules, apply, decide
from actors.commands import (
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    Command,
    DecideCredit,
    Open,
    Refusal,
    RequestCredit,
    Void,
)
from actors.verification.findings import Finding
from actors.verification.replay import Before, Replay
from journal.chain import seal
from journal.entry import Entry, EntryType
from journal.ids import entry_id
from journal.times import format_time
from tests.journal.histories import Shop

SELLER = "0192f3c4-5678-7abc-8def-0123456789ab"
ADMIN = "0192f3c4-5678-7abc-8def-00000000000a"
OTHER_ADMIN = "0192f3c4-5678-7abc-8def-00000000000b"
BY_SELLER = Caller(SELLER, False)
BY_ADMIN = Caller(ADMIN, True)
START_US = 1_790_000_000_000_000
SECOND = 1_000_000
PHONE = "+15550100001"


class Trade:
    """An account, and its journal as the rules write it, or as somebody forges it."""

    def __init__(self) -> None:
        self.account = Account(SELLER)
        self.journal: list[Entry] = []
        self.now_us = START_US
        self.do(Open("USD"))
        self.do(Adjust(BY_ADMIN, 10_000, "credit", "to begin with"))

    def do(self, command: Command) -> Entry:
        """The command's last entry."""
        decision = decide(self.account, command, self.now_us, Rules())
        assert not isinstance(decision, Refusal), decision
        for entry in decision:
            apply(self.account, entry)
            self.journal.append(entry)
        return self.journal[-1]

    def sell(self, amount: int = 500, hold_s: int | None = None) -> Entry:
        return self.do(Charge(BY_SELLER, PHONE, amount, expires_in_s=hold_s))

    def forge(self, type_: EntryType, by: str | None = SELLER, **members: Any) -> Entry:
        """An entry with the right number, hash and sums, whatever it says."""
        last = self.journal[-1]
        amount, held_change = members.get("amount", 0), members.get("held_change", 0)
        chosen: dict[str, Any] = {
            "seller_id": SELLER,
            "seq": last.seq + 1,
            "at_us": self.now_us,
            "type": type_,
            "available_after": last.available_after + amount,
            "held_after": last.held_after + held_change,
            "credit_limit": last.credit_limit,
            "made_by": by,
            "by_admin": by not in (None, SELLER),
            "previous_hash": last.hash,
            **members,
        }
        self.journal.append(seal(Entry(**chosen)))
        return self.journal[-1]

    def verified(self) -> Finding | None:
        return replayed(self.journal)


def replayed(journal: list[Entry]) -> Finding | None:
    replay = Replay(SELLER)
    for position, entry in enumerate(journal, 1):
        finding = replay.check(entry, position, before(journal, entry))
        if finding is not None:
            return finding
    return replay.end()


def before(journal: list[Entry], refund: Entry) -> Before:
    """As the walk looks it up: what opened the refunded charge, and what continued it last."""
    story = [e for e in journal[: refund.seq - 1] if refund.subject_id in (e.id, e.subject_id)]
    opening = next((entry for entry in story if entry.id == refund.subject_id), None)
    return opening, next((entry for entry in reversed(story) if entry is not opening), None)


@pytest.fixture
def trade() -> Trade:
    return Trade()


def expect(trade: Trade, reason: str) -> None:
    """The last entry is bad, for that reason, and it alone."""
    assert replayed(trade.journal[:-1]) is None
    finding = trade.verified()
    assert finding is not None, "nothing was found"
    assert finding.seq == trade.journal[-1].seq
    assert reason in finding.reason, finding


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_rules_allow_is_right(seed: int) -> None:
    shop = Shop(seed, sellers=1).play(300)
    journal = shop.entries
    replay = Replay(shop.sellers[0])
    for position, entry in enumerate(journal, 1):
        assert replay.check(entry, 3 * position, before(journal, entry)) is None
    assert replay.end() is None
    assert replay.account.view() == shop.accounts[0].view()
    assert all(shop.rows[kind, shop.sellers[0], seq] == row for (kind, seq), row in replay.touched.items())
    assert (len(replay.touched), replay.charge_rows + replay.request_rows) == (len(shop.rows) - 1, len(shop.rows) - 1)


# --- charges ----------------------------------------------------------------------------------------------


def test_a_decline_although_there_was_credit(trade: Trade) -> None:
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"99.99"}')
    expect(trade, "enough credit")


def test_a_decline_in_an_atomic_batch_counts_what_the_batch_had_sold(trade: Trade) -> None:
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00","failure_code":"batch_aborted"}')
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00"}')
    assert trade.verified() is None
    trade.forge(EntryType.CHARGE, amount=-5, phone_number=PHONE)
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00"}')
    expect(trade, "enough credit")


def test_a_decline_counts_nothing_that_was_not_of_its_batch(trade: Trade) -> None:
    """Neither what was declined alone before it, nor what a batch had sold at another time."""
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"100.01"}')
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00"}')
    expect(trade, "enough credit")
    trade.journal.pop()
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00","failure_code":"batch_aborted"}')
    trade.now_us += 1
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00"}')
    expect(trade, "enough credit")


@pytest.mark.parametrize("is_last", [True, False])
def test_declines_of_an_atomic_batch_that_had_enough_credit(trade: Trade, is_last: bool) -> None:
    for _ in range(2):
        trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"60.00","failure_code":"batch_aborted"}')
    forged = trade.journal[-1]
    if not is_last:
        trade.forge(EntryType.CHARGE, amount=-5, phone_number=PHONE)
    finding = trade.verified()
    assert finding == Finding(SELLER, forged.seq, "it was declined with an atomic batch that had enough credit")


def test_a_decline_of_nothing(trade: Trade) -> None:
    trade.forge(EntryType.DECLINED, phone_number=PHONE, details='{"amount":"0.00","failure_code":"batch_aborted"}')
    expect(trade, "no amount")


@pytest.mark.parametrize("type_", [EntryType.CAPTURE, EntryType.VOID, EntryType.EXPIRY])
def test_the_end_of_a_hold_that_has_ended(trade: Trade, type_: EntryType) -> None:
    hold = trade.sell(500, hold_s=10)
    trade.do(Void(BY_SELLER, hold.id))
    other = trade.sell(500, hold_s=10)
    moves = {"held_change": -500, "amount": 0 if type_ is EntryType.CAPTURE else 500}
    by = None if type_ is EntryType.EXPIRY else SELLER
    if type_ is EntryType.EXPIRY:
        trade.now_us += 20 * SECOND
    trade.forge(type_, by, subject_id=hold.id, **moves)
    expect(trade, "not pending")
    trade.journal.pop()
    trade.forge(type_, by, subject_id=other.id, **moves)
    assert trade.verified() is None


@pytest.mark.parametrize("type_", [EntryType.CAPTURE, EntryType.VOID, EntryType.CHARGE])
def test_a_hold_that_was_not_given_back_when_it_ended(trade: Trade, type_: EntryType) -> None:
    """Whatever comes next, its end comes first."""
    trade.do(Void(BY_SELLER, trade.sell(500, hold_s=5).id))
    hold = trade.sell(500, hold_s=10)
    of_hold: dict[str, Any] = {"subject_id": hold.id, "held_change": -500}
    members: dict[EntryType, dict[str, Any]] = {
        EntryType.CAPTURE: of_hold,
        EntryType.VOID: {**of_hold, "amount": 500},
        EntryType.CHARGE: {"amount": -5, "phone_number": PHONE},
    }
    trade.now_us += 10 * SECOND - 1
    trade.forge(type_, **members[type_])
    assert trade.verified() is None
    trade.journal.pop()
    trade.now_us += 1
    trade.forge(type_, **members[type_])
    expect(trade, "not given back")


def test_an_expiry_before_its_time(trade: Trade) -> None:
    hold = trade.sell(500, hold_s=10)
    trade.now_us += 9 * SECOND
    trade.forge(EntryType.EXPIRY, None, amount=500, held_change=-500, subject_id=hold.id)
    expect(trade, "before its time")


def test_a_hold_that_ends_before_it_begins(trade: Trade) -> None:
    details = f'{{"expires_at":"{format_time(START_US)}"}}'
    trade.forge(EntryType.HOLD, amount=-5, held_change=5, phone_number=PHONE, details=details)
    expect(trade, "ends before it begins")


@pytest.mark.parametrize("captured", [300, 600])
def test_a_capture_of_another_amount_than_is_held(trade: Trade, captured: int) -> None:
    hold = trade.sell(500, hold_s=10)
    trade.sell(500, hold_s=10)
    trade.forge(EntryType.CAPTURE, held_change=-captured, subject_id=hold.id)
    expect(trade, "breaks a rule")


def test_a_partial_capture_that_is_not_completed(trade: Trade) -> None:
    hold = trade.sell(500, hold_s=10)
    trade.forge(EntryType.VOID, amount=200, held_change=-200, subject_id=hold.id)
    finding = trade.verified()
    assert finding is not None
    assert "does not follow" in finding.reason
    trade.forge(EntryType.CHARGE, amount=-5, phone_number=PHONE)
    finding = trade.verified()
    assert finding is not None
    assert (finding.seq, finding.reason) == (5, "a partial capture was begun, and this is not its capture")
    trade.journal.pop()
    trade.now_us += 1
    trade.forge(EntryType.CAPTURE, held_change=-300, subject_id=hold.id)
    finding = trade.verified()
    assert finding is not None
    assert (finding.seq, finding.reason) == (5, "a partial capture was begun, and this is not its capture")


@pytest.mark.parametrize("kind", ["charge", "captured", "partly captured"])
def test_refunds_beyond_what_was_captured(trade: Trade, kind: str) -> None:
    sold = trade.sell(500, hold_s=None if kind == "charge" else 10)
    if kind != "charge":
        trade.do(Capture(BY_SELLER, sold.id, None if kind == "captured" else 400))
    captured = 400 if kind == "partly captured" else 500
    text = f"{captured // 100}.00"
    for refunded, amount, is_right in ((300, 300, True), (captured, captured - 300, True), (captured + 1, 1, False)):
        told = f'{{"charge_amount":"{text}","refunded_amount":"{refunded // 100}.{refunded % 100:02}"}}'
        trade.forge(EntryType.REFUND, ADMIN, amount=amount, subject_id=sold.id, reason="back", details=told)
        if is_right:
            assert trade.verified() is None
    expect(trade, "breaks a rule")


def test_a_refund_that_tells_other_sums(trade: Trade) -> None:
    sold = trade.sell(500)
    told = '{"charge_amount":"5.00","refunded_amount":"2.00"}'
    trade.forge(EntryType.REFUND, ADMIN, amount=300, subject_id=sold.id, reason="back", details=told)
    expect(trade, "other sums")


@pytest.mark.parametrize("what", ["voided", "pending", "declined", "a request", "nothing"])
def test_a_refund_of_what_was_not_sold(trade: Trade, what: str) -> None:
    if what == "a request":
        subject = trade.do(RequestCredit(BY_SELLER, 500)).id
    elif what == "declined":
        subject = trade.sell(50_000).id
    else:
        subject = trade.sell(500, hold_s=10).id
        if what == "voided":
            trade.do(Void(BY_SELLER, subject))
        if what == "nothing":
            subject = f"{subject[:-9]}e{subject[-8:]}"
    told = '{"charge_amount":"5.00","refunded_amount":"5.00"}'
    trade.forge(EntryType.REFUND, ADMIN, amount=500, subject_id=subject, reason="back", details=told)
    expect(trade, "")


def test_a_refund_before_the_sale(trade: Trade) -> None:
    """Ids can be foretold: the refund continues what comes after it."""
    last = trade.journal[-1]
    told = '{"charge_amount":"5.00","refunded_amount":"5.00"}'
    sold_id = entry_id(SELLER, last.seq + 2, trade.now_us)
    trade.forge(EntryType.REFUND, ADMIN, amount=500, subject_id=sold_id, reason="back", details=told)
    refund = trade.journal[-1]
    sold = trade.forge(EntryType.CHARGE, amount=-500, phone_number=PHONE)
    assert sold.id == sold_id
    replay = Replay(SELLER)
    assert [replay.check(entry, n) for n, entry in enumerate(trade.journal[:-2], 1)] == [None, None]
    finding = replay.check(refund, 3, (sold, None))
    assert finding == Finding(SELLER, refund.seq, "it refunds a charge that is not there")


# --- credit -----------------------------------------------------------------------------------------------


def approvals(*by: str) -> str:
    at = format_time(START_US)
    return '{"approvals":[' + ",".join(f'{{"by":"{each}","at":"{at}"}}' for each in by) + "]}"


def test_more_credit_than_was_asked_for(trade: Trade) -> None:
    asked = trade.do(RequestCredit(BY_SELLER, 500))
    trade.forge(EntryType.CREDIT, ADMIN, amount=501, subject_id=asked.id, details=approvals(ADMIN))
    expect(trade, "breaks a rule")


def test_a_second_decision(trade: Trade) -> None:
    asked = trade.do(RequestCredit(BY_SELLER, 500))
    trade.do(DecideCredit(BY_ADMIN, asked.id, "approve"))
    trade.forge(EntryType.CREDIT, OTHER_ADMIN, amount=500, subject_id=asked.id, details=approvals(OTHER_ADMIN))
    expect(trade, "not pending")


def test_approvals_that_nobody_gave(trade: Trade) -> None:
    asked = trade.do(RequestCredit(BY_SELLER, 500))
    told = approvals(OTHER_ADMIN, ADMIN)
    trade.forge(EntryType.CREDIT, ADMIN, amount=500, subject_id=asked.id, details=told)
    expect(trade, "other approvals")


def test_two_approvals_of_one_admin(trade: Trade) -> None:
    asked = trade.do(RequestCredit(BY_SELLER, 500))
    trade.forge(EntryType.CREDIT_ENDORSED, ADMIN, subject_id=asked.id, details=approvals(ADMIN))
    trade.forge(EntryType.CREDIT, ADMIN, amount=500, subject_id=asked.id, details=approvals(ADMIN, ADMIN))
    expect(trade, "approved twice")


def test_a_second_approval_that_gives_no_credit(trade: Trade) -> None:
    asked = trade.do(RequestCredit(BY_SELLER, 500))
    trade.forge(EntryType.CREDIT_ENDORSED, ADMIN, subject_id=asked.id, details=approvals(ADMIN))
    trade.forge(EntryType.CREDIT_ENDORSED, OTHER_ADMIN, subject_id=asked.id, details=approvals(ADMIN, OTHER_ADMIN))
    expect(trade, "second approval")


def test_more_pending_requests_than_may_be(trade: Trade) -> None:
    for _ in range(REQUESTS_PENDING_MAX):
        trade.do(RequestCredit(BY_SELLER, 500))
    trade.forge(EntryType.CREDIT_REQUESTED, details='{"amount":"5.00"}')
    expect(trade, "more credit requests")


def test_a_request_for_nothing(trade: Trade) -> None:
    trade.forge(EntryType.CREDIT_REQUESTED, details='{"amount":"0.00"}')
    expect(trade, "no amount")


# --- the account ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", [EntryType.CHARGE, EntryType.CREDIT_REQUESTED])
def test_business_of_a_suspended_seller(trade: Trade, type_: EntryType) -> None:
    trade.do(ChangeAccount(BY_ADMIN, is_suspended=True))
    if type_ is EntryType.CHARGE:
        trade.forge(type_, amount=-5, phone_number=PHONE)
    else:
        trade.forge(type_, details='{"amount":"5.00"}')
    expect(trade, "suspended")


def test_a_change_that_changes_nothing(trade: Trade) -> None:
    trade.forge(EntryType.REINSTATED, ADMIN)
    expect(trade, "changes nothing")
    trade.journal.pop()
    trade.forge(EntryType.LIMIT_CHANGED, ADMIN, details='{"credit_limit":"0.00"}')
    expect(trade, "changes nothing")


def test_another_limit_than_was_set(trade: Trade) -> None:
    trade.forge(EntryType.LIMIT_CHANGED, ADMIN, credit_limit=900, details='{"credit_limit":"8.00"}')
    expect(trade, "another credit limit")


def test_a_limit_that_nobody_set(trade: Trade) -> None:
    trade.forge(EntryType.CHARGE, amount=-5, phone_number=PHONE, credit_limit=900)
    expect(trade, "credit limit is 900")


def test_credit_past_the_floor(trade: Trade) -> None:
    trade.forge(EntryType.CHARGE, amount=-10_001, phone_number=PHONE)
    expect(trade, "floor")


def test_credit_and_limit_that_are_too_large_together(trade: Trade) -> None:
    trade.forge(EntryType.ADJUSTMENT, ADMIN, amount=BALANCE_MAX - 10_000, reason="too much")
    assert trade.verified() is None
    trade.forge(EntryType.LIMIT_CHANGED, ADMIN, credit_limit=1, details='{"credit_limit":"0.01"}')
    expect(trade, "larger than any")


def test_more_than_is_held(trade: Trade) -> None:
    trade.forge(EntryType.CAPTURE, held_change=-5, subject_id=trade.journal[0].id)
    expect(trade, "more is taken from held")


def test_an_account_opened_twice(trade: Trade) -> None:
    trade.forge(EntryType.OPENED, None, details='{"currency":"EUR"}')
    expect(trade, "opened by its first entry")


def test_an_account_that_was_not_opened() -> None:
    trade = Trade()
    trade.journal = [seal(replace(trade.journal[1], seq=1, previous_hash=bytes(32)))]
    expect(trade, "opened by its first entry")


def test_a_currency_that_is_none() -> None:
    trade = Trade()
    trade.journal = [seal(replace(trade.journal[0], details='{"currency":"XXX"}'))]
    expect(trade, "currency")


def test_time_that_goes_back(trade: Trade) -> None:
    trade.now_us -= 1
    trade.forge(EntryType.CHARGE, amount=-5, phone_number=PHONE)
    expect(trade, "earlier")


def test_positions_that_go_back(trade: Trade) -> None:
    replay = Replay(SELLER)
    assert replay.check(trade.journal[0], 8) is None
    assert replay.check(trade.journal[1], 8) == Finding(
        SELLER, 2, "its position 8 is not after 8, that of the entry before it"
    )


# --- who, and what it looks like --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "by", "members"),
    [
        (EntryType.CHARGE, ADMIN, {"amount": -5, "phone_number": PHONE}),
        (EntryType.CHARGE, None, {"amount": -5, "phone_number": PHONE}),
        (EntryType.CHARGE, ADMIN, {"amount": -5, "phone_number": PHONE, "by_admin": False}),
        (EntryType.ADJUSTMENT, SELLER, {"amount": 5, "reason": "mine"}),
        (EntryType.ADJUSTMENT, SELLER, {"amount": 5, "reason": "mine", "by_admin": True}),
        (EntryType.ADJUSTMENT, None, {"amount": 5, "reason": "nobody's"}),
        (EntryType.SUSPENDED, SELLER, {}),
    ],
)
def test_what_somebody_else_has_to_do(trade: Trade, type_: EntryType, by: str | None, members: dict[str, Any]) -> None:
    trade.forge(type_, by, **members)
    expect(trade, "is made by")


@pytest.mark.parametrize(
    ("type_", "members"),
    [
        (EntryType.CHARGE, {"amount": 5, "phone_number": PHONE}),
        (EntryType.CHARGE, {"amount": 0, "phone_number": PHONE}),
        (EntryType.CHARGE, {"amount": -5, "held_change": 5, "phone_number": PHONE}),
        (EntryType.HOLD, {"amount": -5, "phone_number": PHONE}),
        (EntryType.CREDIT_REQUESTED, {"amount": 5, "details": '{"amount":"0.05"}'}),
        (EntryType.CAPTURE, {"amount": 5, "held_change": -5}),
    ],
)
def test_amounts_that_its_type_does_not_move(trade: Trade, type_: EntryType, members: dict[str, Any]) -> None:
    trade.sell(500, hold_s=10)
    trade.forge(type_, **members)
    expect(trade, "is not that of a")


@pytest.mark.parametrize(
    "members",
    [
        {"phone_number": None},
        {"phone_number": "15550100001"},
        {"phone_number": '+1","x":"'},
        {"phone_number": "+١٢٣"},
        {"subject_id": ADMIN},
        {"reason": "none needed"},
        {"details": '{"phone_number":"+15550100001"}'},
        {"details": '{"metadata":{"a":1}}'},
        {"details": '{"metadata":{}'},
        {"details": "[]"},
        {"details": "{}"},
        {"details": ""},
        {"idempotency_key": "k", "request_hash": b"short"},
        {"request_hash": bytes(16)},
    ],
)
def test_a_charge_that_looks_like_none(trade: Trade, members: dict[str, Any]) -> None:
    trade.forge(EntryType.CHARGE, **{"amount": -5, "phone_number": PHONE, **members})
    expect(trade, "")


@pytest.mark.parametrize("broken", [{"amount": None}, {"request_hash": None}, {"details": 7}, {"previous_hash": None}])
def test_what_cannot_be_read_is_a_finding_and_no_crash(trade: Trade, broken: dict[str, Any]) -> None:
    sold = trade.do(Charge(Caller(SELLER, False, "key", bytes(16)), PHONE, 500))
    trade.journal[-1] = replace(sold, **broken)
    expect(trade, "")


def test_an_entry_that_is_there_twice_is_the_bad_one(trade: Trade) -> None:
    """And not the next, which is there."""
    trade.sell()
    trade.journal.append(trade.journal[-1])
    trade.sell()
    assert trade.verified() == Finding(SELLER, 3, "there are several entries of this number")


def test_a_missing_entry_is_the_first_bad_one(trade: Trade) -> None:
    for _ in range(3):
        trade.sell()
    del trade.journal[3]
    finding = trade.verified()
    assert finding == Finding(SELLER, 4, "is missing: the next entry that is there is 5")
