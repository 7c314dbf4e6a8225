"""What may be asked of an account, and how it may be refused.

A command is a value; it has been decoded, normalised and bounded at the edge. Amounts are minor units. Commands and
outcomes hold no reference cycles, so those that come in large numbers are kept from the garbage collector
(`gc=False`): it would walk a batch of 10,000 charges again and again.

Adding a command:
    1. its Struct here, and in `Command`;
    2. its rule in `account.py`: `decide`, and `missing` if it speaks of a charge or a credit request; then also
       `Actor._load_subject` and `Actor._forget_subject`;
    3. its body in `service/wire/requests.py`, its handler in `service/handlers/`, its `Operation` in
       `service/swagger/operations.py`, its row in `service/routes.py`, and the line of that in
       `tests/service/test_routes.py`;
    4. its place in the mix and the rules of the simulation (`tests/simulation/workload.py`, `answer_rules.py`), and in
       the plain ledger (`tests/stateful/`);
    5. in the load test its kind (`loadtest/history.py`), how it is asked (`spelling.py`), and what it writes
       (`checker/case.py`).
If it makes a new type of entry, also:
    6. the type and its flow in `journal/entry.py`, and its place in a set there if it opens or continues something;
    7. a migration: the CHECK on `type` of `cell_00.entries` (`journal/migrations/0002_cell.sql`) refuses what it does
       not name;
    8. what it does, in `apply`;
    9. its row in `SHAPES` of `actors/verification/shape.py`, and in `replay.py` what else must hold of it;
    10. the account of the house in `_HOUSE` of `journal/reading/trial_balance.py`, if its amount leaves the seller's;
    11. what a charge or a credit request is after it, in `service/answers.py`;
    12. the second accounts of the rules: `tests/simulation/model.py`, and `arithmetic.py`, `lifecycle.py`, `totals.py`
        and `answers.py` of `loadtest/checker/`;
    13. the console's lists of types: `grep -rn limit_changed service/static/console`.
"""

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

from journal.entry import Entry


class RefusalCode(StrEnum):
    """Words of the API's table of problems."""

    INSUFFICIENT_CREDIT = "insufficient_credit"
    SELLER_SUSPENDED = "seller_suspended"
    NOT_FOUND = "not_found"
    ALREADY_DECIDED = "already_decided"
    NOT_PENDING = "not_pending"
    REFUND_EXCEEDS_CHARGE = "refund_exceeds_charge"
    LIMIT_IN_USE = "limit_in_use"
    TOO_MANY_PENDING = "too_many_pending"
    SECOND_ADMIN_NEEDED = "second_admin_needed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    VALIDATION_FAILED = "validation_failed"


class Refusal(Struct, frozen=True, gc=False):
    """A command that is not done. It wrote nothing and used up no key."""

    code: RefusalCode
    detail: str
    available: int | None = None
    """With `insufficient_credit`: the available credit, minor units."""
    field: str | None = None
    """With `validation_failed`: the member of the body that is at fault."""


class Caller(Struct, frozen=True, gc=False):
    """On whose behalf a command comes, and under which key."""

    made_by: str | None
    by_admin: bool
    idempotency_key: str | None = None
    request_hash: bytes | None = None
    """16 bytes over the meaning of the request; present when the key is."""


SYSTEM_CALLER = Caller(None, False)


class Charge(Struct, frozen=True, gc=False):
    """Sell: at once, or hold the amount for a later capture when `expires_in_s` is given."""

    caller: Caller
    phone_number: str
    amount: int
    reference: str | None = None
    metadata: str | None = None
    """JSON object text."""
    expires_in_s: int | None = None


class ChargeMany(Struct, frozen=True, gc=False):
    """Charges, each with a caller and key of its own. Atomic: all of them, or none and all are declined.

    The caller of the whole has no key."""

    caller: Caller
    charges: tuple[Charge, ...]
    is_atomic: bool


class Capture(Struct, frozen=True):
    caller: Caller
    charge_id: str
    amount: int | None = None


class Void(Struct, frozen=True):
    caller: Caller
    charge_id: str


class Refund(Struct, frozen=True):
    caller: Caller
    charge_id: str
    amount: int | None
    reason: str


class RequestCredit(Struct, frozen=True):
    caller: Caller
    amount: int
    note: str | None = None


class DecideCredit(Struct, frozen=True):
    """An admin approves or rejects, or the seller cancels, a pending credit request."""

    caller: Caller
    request_id: str
    decision: Literal["approve", "reject", "cancel"]
    note: str | None = None


class Adjust(Struct, frozen=True):
    caller: Caller
    amount: int
    direction: Literal["credit", "debit"]
    reason: str


class ChangeAccount(Struct, frozen=True):
    """Suspend or reinstate, and change the credit limit. None, or the value that is in force, changes nothing."""

    caller: Caller
    is_suspended: bool | None = None
    credit_limit: int | None = None


class Open(Struct, frozen=True):
    """The first command of every account; its actor asks for it by itself when the seller has no entries yet."""

    currency: str
    caller: Caller = SYSTEM_CALLER


class Settle(Struct, frozen=True):
    """Changes nothing but what time has changed: holds that have expired are given back. Answers an `AccountView`."""

    caller: Caller = SYSTEM_CALLER


Command: TypeAlias = (
    Charge
    | ChargeMany
    | Capture
    | Void
    | Refund
    | RequestCredit
    | DecideCredit
    | Adjust
    | ChangeAccount
    | Open
    | Settle
)


class AccountView(Struct, frozen=True, gc=False):
    """An account as its journal shows it: everything up to `seq` is durable."""

    seller_id: str
    currency: str
    is_suspended: bool
    credit_limit: int
    available: int
    held: int
    seq: int
    at_us: int
    """Time of the entry `seq`."""
    seen_at_us: int = 0
    """When the actor looked: up to then there was no other entry, and no hold had expired."""


class Done(Struct, frozen=True, gc=False):
    """A command whose entry is durable. The answer to the request is a function of this alone."""

    entry: Entry
    position: int
    currency: str
    opening: Entry | None = None
    """For an entry that continues a charge or a credit request: the entry that opened it."""
    is_replay: bool = False


class ManyDone(Struct, frozen=True, gc=False):
    """What became of each charge of a `ChargeMany`, in order; all of it is durable."""

    results: tuple[Done | Refusal, ...]


Outcome: TypeAlias = Done | ManyDone | AccountView | Refusal
