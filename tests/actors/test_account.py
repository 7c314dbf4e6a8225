"""The rules of an account, held against a ledger of dictionaries that knows nothing of entries.

Whatever commands come in whatever order: the balances are what the ledger says, the floor holds, held is the sum
of the holds, a refusal changes nothing, and the journal alone rebuilds the account.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from actors.account import Account, Rules, apply, before_due, decide, expire, has_due
from actors.commands import (
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    Command,
    DecideCredit,
    Open,
    Refund,
    Refusal,
    RefusalCode,
    RequestCredit,
    Void,
)
from journal.entry import Entry, EntryType
from journal.money import exponent, format_minor
from journal.projections import ChargeStatus

SELLER = "0192f3c4-5678-7abc-8def-0123456789ab"
ADMIN = "0192f3c4-5678-7abc-8def-00000000000a"
OTHER_ADMIN = "0192f3c4-5678-7abc-8def-00000000000b"
SELLER_SIDE = Caller(SELLER, False)
ADMIN_SIDE = Caller(ADMIN, True)
SECOND = 1_000_000

amounts = st.integers(1, 1_000)


ONE_ADMIN = Rules()


def opened(currency: str = "USD") -> Account:
    account = Account(SELLER)
    run(account, Open(currency))
    return account


def run(
    account: Account, command: Command, now_us: int = SECOND, rules: Rules = ONE_ADMIN
) -> tuple[Entry, ...] | Refusal:
    decision = decide(account, command, now_us, rules)
    if not isinstance(decision, Refusal):
        for entry in decision:
            apply(account, entry)
    return decision


class Ledger(RuleBasedStateMachine):
    """The account beside a model: `available`, `limit`, and charges as [status, amount, refunded, expires]."""

    charges = Bundle("charges")
    requests = Bundle("requests")

    @initialize()
    def open(self) -> None:
        self.now_us = SECOND
        self.account = opened()
        self.journal: list[Entry] = [decide(Account(SELLER), Open("USD"), SECOND, Rules())[0]]  # type: ignore[index]
        self.available = self.limit = 0
        self.is_suspended = False
        self.model: dict[str, list[Any]] = {}
        self.asked: dict[str, list[Any]] = {}

    def play(self, command: Command) -> tuple[Entry, ...] | RefusalCode:
        while has_due(self.account, self.now_us):
            entry = expire(self.account, self.now_us)
            if entry is not None:
                self.journal.append(entry)
                apply(self.account, entry)
        for charge in self.model.values():
            if charge[0] == "pending" and charge[3] <= self.now_us:
                charge[0] = "expired"
                self.available += charge[1]
        before = self.account.view()
        decision = run(self.account, command, self.now_us)
        if isinstance(decision, Refusal):
            assert self.account.view() == before
            return decision.code
        self.journal.extend(decision)
        return decision

    @rule(seconds=st.integers(-5, 100))
    def time_passes(self, seconds: int) -> None:
        self.now_us += seconds * SECOND
        # The account's own clock never goes back, and that is the one by which holds expire.
        self.now_us = max(self.now_us, self.account.at_us)

    @rule(target=charges, amount=amounts, hold_s=st.none() | st.integers(1, 50))
    def charge(self, amount: int, hold_s: int | None) -> str:
        done = self.play(Charge(SELLER_SIDE, "+15550100001", amount, expires_in_s=hold_s))
        if self.is_suspended:
            assert done is RefusalCode.SELLER_SUSPENDED
            return "none"
        assert not isinstance(done, RefusalCode)
        (entry,) = done
        if amount > self.available + self.limit:
            assert entry.type is EntryType.DECLINED
            self.model[entry.id] = ["failed", 0, 0, 0]
        else:
            self.available -= amount
            status = "completed" if hold_s is None else "pending"
            self.model[entry.id] = [status, amount, 0, self.now_us + (hold_s or 0) * SECOND]
            assert entry.type is (EntryType.CHARGE if hold_s is None else EntryType.HOLD)
        return entry.id

    def loaded(self, charge_id: str) -> bool:
        """Whether the account has the charge in memory; the actor would load the others."""
        return charge_id in self.account.charges

    @rule(charge_id=charges, amount=st.none() | amounts)
    def capture(self, charge_id: str, amount: int | None) -> None:
        was_loaded = self.loaded(charge_id)
        done = self.play(Capture(SELLER_SIDE, charge_id, amount))
        charge = self.model.get(charge_id)
        if not was_loaded or charge is None:
            assert done is RefusalCode.NOT_FOUND
        elif charge[0] != "pending":
            assert done is RefusalCode.NOT_PENDING
        elif amount is not None and amount > charge[1]:
            assert done is RefusalCode.VALIDATION_FAILED
        else:
            captured = charge[1] if amount is None else amount
            self.available += charge[1] - captured
            charge[0:2] = ["completed", captured]

    @rule(charge_id=charges)
    def void(self, charge_id: str) -> None:
        was_loaded = self.loaded(charge_id)
        done = self.play(Void(SELLER_SIDE, charge_id))
        charge = self.model.get(charge_id)
        if was_loaded and charge is not None and charge[0] == "pending":
            assert not isinstance(done, RefusalCode)
            self.available += charge[1]
            charge[0] = "voided"
        else:
            assert done in (RefusalCode.NOT_PENDING, RefusalCode.NOT_FOUND)

    @rule(charge_id=charges, amount=st.none() | amounts)
    def refund(self, charge_id: str, amount: int | None) -> None:
        was_loaded = self.loaded(charge_id)
        done = self.play(Refund(ADMIN_SIDE, charge_id, amount, "reason"))
        charge = self.model.get(charge_id)
        if not was_loaded or charge is None:
            assert done is RefusalCode.NOT_FOUND
            return
        left = charge[1] - charge[2] if charge[0] in ("completed", "partially_refunded") else 0
        refunded = left if amount is None else amount
        if left == 0 or refunded > left:
            assert done is RefusalCode.REFUND_EXCEEDS_CHARGE
        else:
            self.available += refunded
            charge[2] += refunded
            charge[0] = "refunded" if charge[2] == charge[1] else "partially_refunded"

    @rule(target=requests, amount=amounts)
    def request_credit(self, amount: int) -> str:
        done = self.play(RequestCredit(SELLER_SIDE, amount))
        if self.is_suspended:
            assert done is RefusalCode.SELLER_SUSPENDED
            return "none"
        assert not isinstance(done, RefusalCode)
        self.asked[done[0].id] = ["pending", amount]
        return done[0].id

    @rule(request_id=requests, decision=st.sampled_from(["approve", "reject", "cancel"]))
    def decide_credit(self, request_id: str, decision: Any) -> None:
        done = self.play(DecideCredit(ADMIN_SIDE if decision != "cancel" else SELLER_SIDE, request_id, decision))
        request = self.asked.get(request_id)
        if request is None:
            assert done is RefusalCode.NOT_FOUND
        elif request[0] != "pending":
            assert done is RefusalCode.ALREADY_DECIDED
        else:
            request[0] = decision
            self.available += request[1] if decision == "approve" else 0

    @rule(amount=amounts, direction=st.sampled_from(["credit", "debit"]))
    def adjust(self, amount: int, direction: Any) -> None:
        done = self.play(Adjust(ADMIN_SIDE, amount, direction, "reason"))
        if direction == "debit" and amount > self.available + self.limit:
            assert done is RefusalCode.INSUFFICIENT_CREDIT
        else:
            self.available += amount if direction == "credit" else -amount

    @rule(limit=st.integers(0, 1_000))
    def change_limit(self, limit: int) -> None:
        done = self.play(ChangeAccount(ADMIN_SIDE, credit_limit=limit))
        if self.available + limit < 0:
            assert done is RefusalCode.LIMIT_IN_USE
        else:
            self.limit = limit

    @rule(is_suspended=st.booleans())
    def suspend(self, is_suspended: bool) -> None:
        self.play(ChangeAccount(ADMIN_SIDE, is_suspended=is_suspended))
        self.is_suspended = is_suspended

    @invariant()
    def the_balances_are_the_ledgers(self) -> None:
        pending = sum(charge[1] for charge in self.model.values() if charge[0] == "pending")
        assert self.account.available == self.available
        assert self.account.held == pending
        assert self.account.available + self.account.credit_limit >= 0
        for charge_id, charge in self.account.charges.items():
            if self.model[charge_id][0] != "expired":
                assert charge.row.status == self.model[charge_id][0]

    def teardown(self) -> None:
        """The journal alone rebuilds the account."""
        again = Account(SELLER)
        for entry in self.journal:
            apply(again, entry)
        assert again.view() == self.account.view()
        assert {id_: each.row for id_, each in again.charges.items()} == {
            id_: each.row for id_, each in self.account.charges.items()
        }


Ledger.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_any_order_of_commands_agrees_with_a_plain_ledger = Ledger.TestCase


def funded(amount: int) -> Account:
    account = opened()
    run(account, Adjust(ADMIN_SIDE, amount, "credit", "start"))
    return account


def test_the_last_unit_of_credit_can_be_sold_and_not_one_more() -> None:
    account = funded(100)
    assert isinstance(run(account, Charge(SELLER_SIDE, "+15550100001", 100)), tuple)
    declined = run(account, Charge(SELLER_SIDE, "+15550100001", 1))
    assert isinstance(declined, tuple)
    assert declined[0].type is EntryType.DECLINED
    assert account.available == 0


def test_a_partial_capture_gives_back_the_rest_first_and_keeps_the_key_on_the_capture() -> None:
    account = funded(100)
    hold = run(account, Charge(SELLER_SIDE, "+15550100001", 80, expires_in_s=60))
    assert isinstance(hold, tuple)
    keyed = Caller(SELLER, False, "key", b"x" * 16)
    done = run(account, Capture(keyed, hold[0].id, 30))
    assert isinstance(done, tuple)
    rest, capture = done
    assert (rest.type, rest.amount, rest.idempotency_key) == (EntryType.VOID, 50, None)
    assert (capture.type, capture.held_change, capture.idempotency_key) == (EntryType.CAPTURE, -30, "key")
    assert (account.available, account.held) == (70, 0)
    assert account.charges[hold[0].id].row.status is ChargeStatus.COMPLETED


def test_an_account_is_shown_as_before_the_first_hold_that_has_expired() -> None:
    """Of those that are pending: one that was captured, or voided, has nothing to give back."""
    account = funded(1_000)
    first = run(account, Charge(SELLER_SIDE, "+15550100001", 100, expires_in_s=5))
    assert isinstance(first, tuple)
    run(account, Charge(SELLER_SIDE, "+15550100001", 100, expires_in_s=10))
    assert before_due(account, 5 * SECOND) == 5 * SECOND
    assert before_due(account, 60 * SECOND) == 6 * SECOND - 1
    run(account, Void(SELLER_SIDE, first[0].id))
    assert before_due(account, 60 * SECOND) == 11 * SECOND - 1


def test_a_hold_expires_at_its_time_and_not_before() -> None:
    account = funded(100)
    hold = run(account, Charge(SELLER_SIDE, "+15550100001", 80, expires_in_s=10), now_us=5 * SECOND)
    assert isinstance(hold, tuple)
    assert not has_due(account, 15 * SECOND - 1)
    entry = expire(account, 15 * SECOND)
    assert entry is not None
    assert (entry.type, entry.amount, entry.subject_id, entry.made_by) == (EntryType.EXPIRY, 80, hold[0].id, None)


def test_time_never_goes_backwards_within_a_seller() -> None:
    account = funded(100)
    late = run(account, Charge(SELLER_SIDE, "+15550100001", 1), now_us=9 * SECOND)
    early = run(account, Charge(SELLER_SIDE, "+15550100001", 1), now_us=2 * SECOND)
    assert isinstance(late, tuple)
    assert isinstance(early, tuple)
    assert early[0].at_us == late[0].at_us == 9 * SECOND


def test_a_hundred_pending_requests_and_no_more() -> None:
    account = opened()
    for _ in range(100):
        assert isinstance(run(account, RequestCredit(SELLER_SIDE, 5)), tuple)
    refused = run(account, RequestCredit(SELLER_SIDE, 5))
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.TOO_MANY_PENDING


TWO_ADMINS = Rules(second_admin_above="10.00")


def test_credit_above_the_limit_takes_two_different_admins() -> None:
    account = opened()
    asked = run(account, RequestCredit(SELLER_SIDE, 1_001))
    assert isinstance(asked, tuple)
    request_id = asked[0].id
    first = run(account, DecideCredit(ADMIN_SIDE, request_id, "approve"), rules=TWO_ADMINS)
    assert isinstance(first, tuple)
    assert first[0].type is EntryType.CREDIT_ENDORSED
    assert account.available == 0
    again = run(account, DecideCredit(ADMIN_SIDE, request_id, "approve"), rules=TWO_ADMINS)
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.SECOND_ADMIN_NEEDED
    second = run(account, DecideCredit(Caller(OTHER_ADMIN, True), request_id, "approve"), rules=TWO_ADMINS)
    assert isinstance(second, tuple)
    assert second[0].type is EntryType.CREDIT
    assert account.available == 1_001


@pytest.mark.parametrize(
    "command",
    [Adjust(ADMIN_SIDE, 1_001, "credit", "reason"), ChangeAccount(ADMIN_SIDE, credit_limit=1_001)],
)
def test_one_admin_cannot_go_around_the_limit(command: Command) -> None:
    refused = run(opened(), command, rules=TWO_ADMINS)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.SECOND_ADMIN_NEEDED


def test_at_the_limit_one_admin_suffices() -> None:
    account = opened()
    assert isinstance(run(account, Adjust(ADMIN_SIDE, 1_000, "credit", "reason"), rules=TWO_ADMINS), tuple)
    assert account.available == 1_000


@given(
    st.sampled_from(["JPY", "USD", "KWD", "CLF"]),
    st.from_regex(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?", fullmatch=True),
    st.integers(-2, 2) | st.integers(),
)
@example("JPY", "1000.00", 0)
@example("JPY", "1000.99", 1)
def test_the_limit_is_compared_by_value_whatever_the_decimals_of_the_currency(
    currency: str, limit: str, difference: int
) -> None:
    """It is one text for sellers of every currency."""
    amount = max(1, int(Decimal(limit) * 10 ** exponent(currency)) + difference)
    is_above = Decimal(format_minor(amount, currency)) > Decimal(limit)
    assert Rules(second_admin_above=limit).needs_second_admin(amount, currency) == is_above


def test_a_suspended_seller_ends_what_it_began() -> None:
    account = funded(100)
    first = run(account, Charge(SELLER_SIDE, "+15550100001", 10, expires_in_s=60))
    second = run(account, Charge(SELLER_SIDE, "+15550100001", 10, expires_in_s=60))
    asked = run(account, RequestCredit(SELLER_SIDE, 5))
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert isinstance(asked, tuple)
    run(account, ChangeAccount(ADMIN_SIDE, is_suspended=True))
    assert isinstance(run(account, Capture(SELLER_SIDE, first[0].id)), tuple)
    assert isinstance(run(account, Void(SELLER_SIDE, second[0].id)), tuple)
    assert isinstance(run(account, DecideCredit(SELLER_SIDE, asked[0].id, "cancel")), tuple)
    for command in (Charge(SELLER_SIDE, "+15550100001", 1), RequestCredit(SELLER_SIDE, 1)):
        refused = run(account, command)
        assert isinstance(refused, Refusal)
        assert refused.code is RefusalCode.SELLER_SUSPENDED
