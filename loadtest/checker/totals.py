"""Rule 6: over all sellers, no money came from nowhere and none went missing."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name
from loadtest.history import Event, Kind, Outcome
from loadtest.money import to_minor


class Closing(Struct, frozen=True):
    """What the service says when the play is over and nothing is in flight any more."""

    balances: Mapping[str, dict[str, Any]]
    """By seller: the answer of `GET /v1/balance`."""
    trial_balance: dict[str, Any] | None = None
    """The answer of `GET /v1/trial-balance`; compared only if the sellers of the play are all there are."""


class Totals:
    """Approved credit + adjustments + refunds - charges = sum of balances: in each currency, three ways.

    The left side from the journal; and, of credit, from the acknowledgements, which know nothing of the journal.
    The right side from what the service says the balances are; and the trial balance, account by account.
    """

    def __init__(self) -> None:
        self._left: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._ledgers: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))

    def take(self, case: Case, balance: Mapping[str, Any], findings: Findings) -> None:
        """`balance`: what the seller closes with, as answered."""
        for entry in case.entries:
            if entry.type in ("credit", "adjustment", "refund", "charge"):
                self._left[entry.currency] += entry.amount
            elif entry.type == "capture":
                self._left[entry.currency] += entry.held_change
            if entry.debit_account is not None and entry.credit_account is not None:
                moved = max(abs(entry.amount), abs(entry.held_change))
                self._ledgers[entry.currency][entry.debit_account][0] += moved
                self._ledgers[entry.currency][entry.credit_account][1] += moved
        self._add_closing_balance(case, balance, findings)
        _check_credit(case, findings)

    def finish(self, trial_balance: Mapping[str, Any] | None, *, is_whole_journal: bool, findings: Findings) -> None:
        for currency in sorted(self._left.keys() | self._right.keys()):
            findings.looked_at[6] += 1
            if self._left[currency] != self._right[currency]:
                message = f"{currency}: {self._left[currency]} by the journal, {self._right[currency]} in the balances"
                findings.add(6, Name.TOTALS_OFF, message)
        if trial_balance is not None:
            _check_trial_balance(trial_balance, self._ledgers if is_whole_journal else None, findings)

    def _add_closing_balance(self, case: Case, balance: Mapping[str, Any], findings: Findings) -> None:
        try:
            currency = str(balance.get("currency"))
            available, held = (to_minor(balance.get(name), currency) for name in ("available", "held"))
        except ValueError as error:
            findings.add(6, Name.TOTALS_OFF, f"no closing balance: {error}", seller_id=case.seller_id)
            return
        self._right[currency] += available + held
        last = case.entries[-1] if case.entries else None
        if last is None or (available, held, balance.get("seq")) != (last.available_after, last.held_after, last.seq):
            message = f"closes with {balance}, the journal with {last}"
            findings.add(6, Name.TOTALS_OFF, message, seller_id=case.seller_id)


def _check_credit(case: Case, findings: Findings) -> None:
    """Credit that entered the journal is what was approved: by acknowledgement, or, of an approval that nobody
    answered, by there being an entry for it. The amounts are those that were asked for, not those written.
    """
    approved = sum(
        operation.request.amount or 0
        for operation in case.operations
        if operation.request.kind is Kind.APPROVE
        and (
            any(_approved(event) for event in operation.acknowledged)
            or (not operation.acknowledged and operation.entry is not None and operation.entry.type == "credit")
        )
    )
    written = sum(entry.amount for entry in case.entries if entry.type == "credit")
    if written != approved:
        message = f"credit of {written} in the journal, {approved} was approved"
        findings.add(6, Name.TOTALS_OFF, message, seller_id=case.seller_id)


def _approved(event: Event) -> bool:
    return event.outcome is Outcome.DONE and event.answer.get("status") == "approved"


def _check_trial_balance(
    trial_balance: Mapping[str, Any], ledgers: Mapping[str, Mapping[str, list[int]]] | None, findings: Findings
) -> None:
    stated: dict[str, dict[str, list[int]]] = {}
    for line in trial_balance.get("currencies", []):
        findings.looked_at[6] += 1
        if line["balanced"] is not True or line["total_debits"] != line["total_credits"]:
            findings.add(6, Name.TOTALS_OFF, f"trial balance: {line}")
        if ledgers is not None:
            currency = line["currency"]
            stated[currency] = {
                each["account"]: [to_minor(each["debits"], currency), to_minor(each["credits"], currency)]
                for each in line["accounts"]
            }
    if ledgers is None:
        return
    for currency in sorted(stated.keys() | ledgers.keys()):
        accounts = ledgers.get(currency, {})
        for account in sorted(stated.get(currency, {}).keys() | accounts.keys()):
            said = stated.get(currency, {}).get(account, [0, 0])
            summed = accounts.get(account, [0, 0])
            if said != summed:
                message = f"trial balance, {currency} {account}: {said} debited and credited, by the journal {summed}"
                findings.add(6, Name.TOTALS_OFF, message)
