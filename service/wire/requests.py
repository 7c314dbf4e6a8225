"""Bodies of requests. Unknown fields are refused everywhere; an optional field may be absent or null, save
where a note says that null is no value.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from service.wire.fields import (
    AdminStatus,
    Amount,
    Currency,
    Direction,
    DisplayName,
    ExpiresIn,
    GivenPassword,
    GivenUsername,
    ItemKey,
    LimitAmount,
    Metadata,
    NewPassword,
    Note,
    PhoneNumber,
    Reason,
    Reference,
    SellerStatus,
    Username,
)


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What all bodies have in common."""


class Nothing(Body, frozen=True):
    """No body, or an empty object."""


class SignIn(Body, frozen=True):
    username: GivenUsername
    password: GivenPassword


class ChangePassword(Body, frozen=True):
    current_password: GivenPassword
    new_password: NewPassword


class SetPassword(Body, frozen=True):
    new_password: NewPassword


class CreateApiKey(Body, frozen=True):
    name: DisplayName


class CreateAdmin(Body, frozen=True):
    username: Username
    password: NewPassword


class ChangeAdmin(Body, frozen=True):
    status: Annotated[AdminStatus, Meta(description="Disabling ends all tokens of the admin.")]


class CreateSeller(Body, frozen=True):
    username: Username
    password: NewPassword
    name: DisplayName
    currency: Currency | None = None


class ChangeSeller(Body, frozen=True):
    """What is absent stays as it is; null is no value for any of these."""

    name: DisplayName | UnsetType = UNSET
    status: (
        Annotated[SellerStatus, Meta(description="A suspended seller reads, and ends what it began.")] | UnsetType
    ) = UNSET
    credit_limit: LimitAmount | UnsetType = UNSET


class CreateAdjustment(Body, frozen=True):
    amount: Amount
    direction: Annotated[Direction, Meta(description="`credit` gives to the seller, `debit` takes away.")]
    reason: Reason


class CreateCreditRequest(Body, frozen=True):
    amount: Amount
    note: Note | None = None


class DecideCreditRequest(Body, frozen=True):
    note: Note | None = None


class CreateCharge(Body, frozen=True):
    phone_number: PhoneNumber
    amount: Amount
    capture: Annotated[bool, Meta(description="`false` holds the amount for a later capture; null is no value.")] = True
    expires_in: Annotated[ExpiresIn | None, Meta(description="For a hold; 900 seconds by default.")] = None
    reference: Reference | None = None
    metadata: Metadata | None = None


class BatchCharge(CreateCharge, frozen=True):
    """A charge of a batch. Its key is the same as if it had been sent alone."""

    idempotency_key: ItemKey | None = None


BatchMode = Annotated[
    Literal["independent", "atomic"], Meta(description="Each charge as if sent alone, or all of them or none.")
]
_BATCH_LENGTH: Final = Meta(min_length=1, max_length=10_000)


class CreateBatch(Body, frozen=True):
    mode: BatchMode
    charges: Annotated[list[BatchCharge], _BATCH_LENGTH, Meta(description="Decided in this order.")]


class OuterBatch(Body, frozen=True):
    """A `CreateBatch` whose charges are JSON still."""

    mode: BatchMode
    charges: Annotated[list[Raw], _BATCH_LENGTH, Meta(description="Decided in this order.")]


class CaptureCharge(Body, frozen=True):
    """Without an amount: all that is held."""

    amount: Amount | UnsetType = UNSET


class RefundCharge(Body, frozen=True):
    """Without an amount: all that is left."""

    reason: Reason
    amount: Amount | UnsetType = UNSET
