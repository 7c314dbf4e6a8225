"""Objects and answers. The order of fields here is that on the wire, which replays repeat to the byte."""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct, field

from journal.entry import EntryType, Ledger
from journal.projections import ChargeStatus, CreditRequestStatus
from service.wire.fields import (
    E164,
    AdminStatus,
    CurrencyCode,
    HexHash,
    Id,
    JsonObject,
    KnownUsername,
    Money,
    SellerStatus,
    SignedMoney,
    StringMap,
    Time,
    UserRole,
)

T = TypeVar("T")

KeyName = Annotated[str, Meta(description="What its seller calls it.", examples=["Kiosk 17"])]


class Page(Struct, Generic[T], frozen=True):
    """Newest first; walking the cursors misses nothing and repeats nothing."""

    data: Annotated[list[T], Meta(description="At most `limit` of them.")]
    has_more: Annotated[bool, Meta(description="Whether there is another page.")]
    next_cursor: Annotated[str | None, Meta(description="For `cursor=` of the next page; null at the end.")]


class Token(Struct, frozen=True):
    token: Annotated[str, Meta(description="For `Authorization: Bearer ...`.")]
    token_type: Annotated[Literal["Bearer"], Meta(description="The scheme of `Authorization`.")]
    expires_at: Time
    role: UserRole
    seller_id: Annotated[Id | None, Meta(description="Null for an admin.")]


class Me(Struct, frozen=True):
    id: Id
    username: KnownUsername
    role: UserRole
    seller_id: Annotated[Id | None, Meta(description="Null for an admin.")]


class NewApiKey(Struct, frozen=True):
    id: Id
    name: KeyName
    key: Annotated[str, Meta(description="For `Authorization: Bearer ...`. Shown this once.")]
    prefix: Annotated[str, Meta(description="The key's first characters, to tell it from others.")]
    created_at: Time


class ApiKey(Struct, frozen=True):
    id: Id
    name: KeyName
    prefix: Annotated[str, Meta(description="The key's first characters, to tell it from others.")]
    created_at: Time
    last_used_at: Annotated[Time | None, Meta(description="Null when it was never used.")]


class Admin(Struct, frozen=True):
    id: Id
    username: KnownUsername
    status: Annotated[AdminStatus, Meta(description="A disabled admin has no tokens, and gets none.")]
    created_at: Time


class Balances(Struct, frozen=True, gc=False):
    """Of a seller."""

    available: Annotated[SignedMoney, Meta(description="What can be sold for, without the credit limit.")]
    held: Annotated[Money, Meta(description="What pending holds keep.")]


class Seller(Struct, frozen=True):
    id: Id
    username: KnownUsername
    name: Annotated[str, Meta(description="For people.", examples=["Kiosk 17"])]
    status: Annotated[SellerStatus, Meta(description="A suspended seller reads, and ends what it began.")]
    currency: CurrencyCode
    credit_limit: Annotated[Money, Meta(description="How far available credit may go below zero.")]
    balance: Balances
    created_at: Time


class Approval(Struct, frozen=True):
    by: Annotated[Id, Meta(description="An admin.")]
    at: Time


class CreditRequest(Struct, frozen=True):
    id: Id
    seller_id: Id
    amount: Money
    currency: CurrencyCode
    status: CreditRequestStatus
    note: Annotated[str | None, Meta(description="The seller's; null when there is none.")]
    approvals: Annotated[list[Approval], Meta(description="In their order; two where the amount takes two admins.")]
    decision_note: Annotated[str | None, Meta(description="Of who decided; null when there is none.")]
    decided_by: Annotated[Id | None, Meta(description="Null while pending.")]
    decided_at: Annotated[Time | None, Meta(description="Null while pending.")]
    created_at: Time


class Balance(Struct, frozen=True):
    seller_id: Id
    currency: CurrencyCode
    available: SignedMoney
    held: Money
    credit_limit: Money
    seq: Annotated[int, Meta(description="The last entry that is counted in.")]
    as_of: Time


class Charge(Struct, frozen=True, gc=False):
    """`seq`, `receipt` and `balance` are as of the entry that answered."""

    id: Id
    seller_id: Id
    phone_number: E164
    amount: Annotated[Money, Meta(description="What was charged; after a partial capture, what was captured.")]
    currency: CurrencyCode
    status: ChargeStatus
    refunded_amount: Money
    reference: Annotated[str | None, Meta(description="The seller's own word for it; null when there is none.")]
    metadata: StringMap
    failure_code: Annotated[
        str | None,
        Meta(
            description="Why it failed: `insufficient_credit` or `batch_aborted`; else null.",
            examples=["insufficient_credit"],
        ),
    ]
    expires_at: Annotated[
        Time | None,
        Meta(description="When the hold gives its credit back, also after it has ended; null for what was no hold."),
    ]
    seq: Annotated[int, Meta(description="The entry's number within its seller: 1, 2, 3 ...")]
    receipt: Annotated[HexHash, Meta(description="The entry's hash.")]
    balance: Balances
    created_at: Time


class BatchResult(Struct, frozen=True, gc=False):
    """What became of one charge of a batch."""

    index: Annotated[int, Meta(description="Its place in the request, from 0.")]
    status: ChargeStatus
    id: Annotated[Id | None, Meta(description="Null when nothing was kept, because the charge was refused.")]
    code: Annotated[
        str | None,
        Meta(
            description="Why it failed: `insufficient_credit`, `batch_aborted`, `idempotency_key_reused` or "
            "`seller_suspended`; else null.",
            examples=["insufficient_credit"],
        ),
    ]


class Batch(Struct, frozen=True):
    completed: Annotated[int, Meta(description="Charges sold or held.")]
    failed: Annotated[int, Meta(description="Charges neither sold nor held.")]
    results: Annotated[list[BatchResult], Meta(description="In the order of the request.")]
    balance: Balances


class Transaction(Struct, frozen=True):
    """One entry of the journal. Debited is where the amount comes from, credited where it goes."""

    id: Id
    seller_id: Id
    seq: Annotated[int, Meta(description="Within the seller: 1, 2, 3 ...")]
    position: Annotated[int, Meta(description="Within the whole journal.")]
    type: EntryType
    amount: Annotated[SignedMoney, Meta(description="The effect on available credit.")]
    held_change: SignedMoney
    currency: CurrencyCode
    debit_account: Annotated[Ledger | None, Meta(description="Null when nothing moves.")]
    credit_account: Annotated[Ledger | None, Meta(description="Null when nothing moves.")]
    available_after: Annotated[SignedMoney, Meta(description="The sum of `amount` up to this entry.")]
    held_after: Money
    charge_id: Id | None
    credit_request_id: Id | None
    made_by: Annotated[
        str, Meta(description="A user's id, or `system` for what the service did by itself (an expiry).")
    ]
    reason: Annotated[str | None, Meta(description="The reason or note that was given; null when there is none.")]
    details: Annotated[JsonObject, Meta(description="What the type needs besides.")]
    previous_hash: HexHash
    hash: HexHash
    created_at: Time


class Total(Struct, frozen=True):
    count: Annotated[int, Meta(description="How many entries.")]
    amount: SignedMoney


class Statement(Struct, frozen=True):
    """Of available credit: the opening balance, and the totals, sum up to the closing balance."""

    seller_id: Id
    currency: CurrencyCode
    from_: Annotated[Time, Meta(description="Inclusive.")] = field(name="from")
    to: Annotated[Time, Meta(description="Exclusive.")]
    opening_balance: SignedMoney
    closing_balance: SignedMoney
    entries: Annotated[int, Meta(description="How many there are in the period.")]
    totals: Annotated[dict[str, Total], Meta(description="By type of entry.")]


class BestSeller(Struct, frozen=True):
    seller_id: Id
    sold: Money


class CurrencySummary(Struct, frozen=True):
    currency: CurrencyCode
    sellers: Annotated[int, Meta(description="All of this currency, whether they did anything or not.")]
    available: Annotated[SignedMoney, Meta(description="What they have now, together.")]
    held: Money
    sold: Annotated[Money, Meta(description="By charges and captures. Refunds are not taken off.")]
    refunded: Money
    totals: Annotated[dict[str, Total], Meta(description="By type of entry, as in a statement.")]
    best_sellers: Annotated[list[BestSeller], Meta(description="Those who sold most, the best first: at most 20.")]


class Summary(Struct, frozen=True):
    from_: Annotated[Time, Meta(description="Inclusive.")] = field(name="from")
    as_of: Time
    position: Annotated[int, Meta(description="Of the last entry that is in it; events go on from there.")]
    currencies: Annotated[list[CurrencySummary], Meta(description="With the most sellers first.")]


class LedgerTotals(Struct, frozen=True):
    account: Ledger
    debits: Money
    credits: Money
    balance: SignedMoney


class CurrencyTotals(Struct, frozen=True):
    currency: CurrencyCode
    accounts: Annotated[list[LedgerTotals], Meta(description="Over all sellers.")]
    total_debits: Money
    total_credits: Money
    balanced: Annotated[bool, Meta(description="Whether debits and credits are equal.")]


class TrialBalance(Struct, frozen=True):
    as_of: Time
    currencies: Annotated[list[CurrencyTotals], Meta(description="Those that sellers have.")]


class FirstBad(Struct, frozen=True):
    seller_id: Id
    seq: Annotated[int, Meta(description="The entry's number within its seller.")]
    reason: Annotated[str, Meta(description="For people.")]


class Verification(Struct, frozen=True):
    id: Id
    status: Annotated[
        Literal["running", "passed", "failed"], Meta(description="`failed` without `first_bad`: it was interrupted.")
    ]
    sellers_done: Annotated[int, Meta(description="Sellers whose entries have all been checked.")]
    sellers_total: Annotated[int, Meta(description="Sellers to check.")]
    entries_checked: Annotated[int, Meta(description="So far, of all sellers.")]
    first_bad: Annotated[FirstBad | None, Meta(description="The first entry that is not what it should be.")]
    started_at: Time
    finished_at: Annotated[Time | None, Meta(description="Null while running.")]


class Health(Struct, frozen=True):
    status: Annotated[
        str,
        Meta(
            description="Alive: `ok`. Ready: `ready`, or why not: `standby`, `draining` or `journal_unavailable`.",
            examples=["ok"],
        ),
    ]
