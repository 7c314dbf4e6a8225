"""The model: a seller's account as plain numbers and dictionaries, which predicts every answer.

It knows nothing of entries, journals, actors or HTTP. Amounts are minor units. Charges and credit requests are known
by the order in which they came: 0, 1, 2 ...
"""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

Verb: TypeAlias = Literal[
    "charge", "hold", "capture", "void", "refund",
    "request", "approve", "reject", "cancel",
    "credit", "debit", "limit", "suspend", "reinstate",
]  # fmt: skip
BY_ADMIN: Final = frozenset({"refund", "approve", "reject", "credit", "debit", "limit", "suspend", "reinstate"})


class Ask(Struct, frozen=True):
    """A command as a client gives it. Equal ones mean the same."""

    verb: Verb
    amount: int | None = None
    subject: int | None = None
    """Which charge or credit request it speaks of."""
    key: str | None = None


class Batch(Struct, frozen=True):
    is_atomic: bool
    charges: tuple[Ask, ...]


class Charge(Struct, frozen=True):
    status: str
    amount: int
    refunded: int = 0


class Answer(Struct, frozen=True):
    """What a client is to be told; None where the answer does not speak of it."""

    code: str | None = None
    """Of a problem."""
    subject: int | None = None
    charge: Charge | None = None
    """As the command left it."""
    failure_code: str | None = None
    request: tuple[str, int] | None = None
    """Status and amount of a credit request."""
    seq: int | None = None
    available: int | None = None
    held: int | None = None
    is_replay: bool = False


class BatchAnswer(Struct, frozen=True):
    code: str | None = None
    results: tuple[tuple[str, int | None, str | None], ...] = ()
    """Status, charge and code of each."""


class Ledger:
    def __init__(self) -> None:
        self.seq = 1  # The account was opened.
        self.available = self.limit = 0
        self.is_suspended = False
        self.charges: list[Charge] = []
        self.requests: list[tuple[str, int]] = []
        self._used: dict[tuple[bool, str], tuple[Ask, Answer]] = {}
        """By side and key: what was asked first, and answered."""

    @property
    def held(self) -> int:
        return sum(charge.amount for charge in self.charges if charge.status == "pending")

    def answer(self, ask: Ask) -> Answer:
        """Does what is asked; the answer."""
        used = self._used_by(ask)
        if used is not None:
            first, answer = used
            return replace(answer, is_replay=True) if first == ask else Answer("idempotency_key_reused")
        answer = self._rule_of(ask.verb)(ask)
        if ask.key is not None and (answer.code is None or answer.subject is not None):
            self._used[ask.verb in BY_ADMIN, ask.key] = ask, answer
        return answer

    def answer_batch(self, batch: Batch) -> BatchAnswer:
        if not batch.is_atomic:
            return BatchAnswer(results=tuple(_result(self.answer(each)) for each in batch.charges))
        keys = [each.key for each in batch.charges if each.key is not None]
        known = [used for each in batch.charges if (used := self._used_by(each)) is not None]
        if known or len(set(keys)) != len(keys):
            if [first for first, _ in known] != list(batch.charges):
                return BatchAnswer("idempotency_key_reused")
            return BatchAnswer(results=tuple(_result(answer) for _, answer in known))
        if self.is_suspended:
            return BatchAnswer("seller_suspended")
        struck = self._struck(batch)
        answers = []
        for index, each in enumerate(batch.charges):
            if struck is None:
                answers.append(self.answer(each))
                continue
            answer = self._decline(each, "insufficient_credit" if index == struck else "batch_aborted")
            if each.key is not None:
                self._used[False, each.key] = each, answer
            answers.append(answer)
        return BatchAnswer(results=tuple(map(_result, answers)))

    def _used_by(self, ask: Ask) -> tuple[Ask, Answer] | None:
        return None if ask.key is None else self._used.get((ask.verb in BY_ADMIN, ask.key))

    def _struck(self, batch: Batch) -> int | None:
        """Which charge the credit does not cover any more."""
        left = self.available + self.limit
        for index, each in enumerate(batch.charges):
            left -= each.amount or 0
            if left < 0:
                return index
        return None

    def _rule_of(self, verb: Verb) -> Callable[[Ask], Answer]:
        match verb:
            case "charge" | "hold":
                return self._sell
            case "capture":
                return self._capture
            case "void":
                return self._void
            case "refund":
                return self._refund
            case "request":
                return self._request
            case "approve" | "reject" | "cancel":
                return self._decide
            case "credit" | "debit":
                return self._adjust
            case "limit":
                return self._limit
            case "suspend" | "reinstate":
                return self._suspend
            case _:
                assert_never(verb)

    # --- charges ---

    def _sell(self, ask: Ask) -> Answer:
        assert ask.amount is not None
        if self.is_suspended:
            return Answer("seller_suspended")
        if ask.amount > self.available + self.limit:
            return self._decline(ask, "insufficient_credit")
        self.available -= ask.amount
        self.charges.append(Charge("completed" if ask.verb == "charge" else "pending", ask.amount))
        return self._told(len(self.charges) - 1)

    def _decline(self, ask: Ask, failure_code: str) -> Answer:
        """Kept as a charge that failed."""
        assert ask.amount is not None
        self.charges.append(Charge("failed", ask.amount))
        self.seq += 1
        subject = len(self.charges) - 1
        return Answer("insufficient_credit", subject, failure_code=failure_code, available=self.available)

    def _capture(self, ask: Ask) -> Answer:
        subject, charge = self._charge_of(ask)
        if charge.status != "pending":
            return Answer("not_pending")
        captured = charge.amount if ask.amount is None else ask.amount
        if captured > charge.amount:
            return Answer("validation_failed")
        if captured < charge.amount:
            self.seq += 1  # The rest is given back by an entry of its own.
        self.available += charge.amount - captured
        self.charges[subject] = Charge("completed", captured)
        return self._told(subject)

    def _void(self, ask: Ask) -> Answer:
        subject, charge = self._charge_of(ask)
        if charge.status != "pending":
            return Answer("not_pending")
        self.available += charge.amount
        self.charges[subject] = Charge("voided", charge.amount)
        return self._told(subject)

    def _refund(self, ask: Ask) -> Answer:
        subject, charge = self._charge_of(ask)
        is_captured = charge.status in ("completed", "partially_refunded")
        left = charge.amount - charge.refunded if is_captured else 0
        amount = left if ask.amount is None else ask.amount
        if left == 0 or amount > left:
            return Answer("refund_exceeds_charge")
        self.available += amount
        status = "refunded" if amount == left else "partially_refunded"
        self.charges[subject] = Charge(status, charge.amount, charge.refunded + amount)
        return self._told(subject)

    def _charge_of(self, ask: Ask) -> tuple[int, Charge]:
        assert ask.subject is not None
        return ask.subject, self.charges[ask.subject]

    def _told(self, subject: int) -> Answer:
        self.seq += 1
        return Answer(
            subject=subject, charge=self.charges[subject], seq=self.seq, available=self.available, held=self.held
        )

    # --- credit ---

    def _request(self, ask: Ask) -> Answer:
        assert ask.amount is not None
        if self.is_suspended:
            return Answer("seller_suspended")
        self.seq += 1
        self.requests.append(("pending", ask.amount))
        return Answer(subject=len(self.requests) - 1, request=self.requests[-1])

    def _decide(self, ask: Ask) -> Answer:
        assert ask.subject is not None
        status, amount = self.requests[ask.subject]
        if status != "pending":
            return Answer("already_decided")
        self.seq += 1
        self.requests[ask.subject] = _DECIDED[ask.verb], amount
        if ask.verb == "approve":
            self.available += amount
        return Answer(subject=ask.subject, request=self.requests[ask.subject])

    def _adjust(self, ask: Ask) -> Answer:
        assert ask.amount is not None
        if ask.verb == "debit" and ask.amount > self.available + self.limit:
            return Answer("insufficient_credit", available=self.available)
        self.available += ask.amount if ask.verb == "credit" else -ask.amount
        self.seq += 1
        return Answer(seq=self.seq, available=self.available, held=self.held)

    def _limit(self, ask: Ask) -> Answer:
        assert ask.amount is not None
        if self.available + ask.amount < 0:
            return Answer("limit_in_use")
        self.seq += ask.amount != self.limit
        self.limit = ask.amount
        return Answer()

    def _suspend(self, ask: Ask) -> Answer:
        self.seq += self.is_suspended != (ask.verb == "suspend")
        self.is_suspended = ask.verb == "suspend"
        return Answer()


_DECIDED: Final = {"approve": "approved", "reject": "rejected", "cancel": "cancelled"}


def _result(answer: Answer) -> tuple[str, int | None, str | None]:
    if answer.charge is not None:
        return answer.charge.status, answer.subject, None
    return "failed", answer.subject, answer.failure_code or answer.code
