"""Parameters of queries, as `service.http.query` decodes them. Unknown and repeated parameters are refused."""

from typing import Annotated

from msgspec import Meta, Struct, field

from journal.entry import EntryType
from journal.projections import ChargeStatus, CreditRequestStatus
from service.wire.fields import (
    Cursor,
    FilterId,
    From,
    IdempotencyKey,
    Instant,
    PageLimit,
    PhoneNumber,
    Reference,
    Search,
    SellerFilter,
    SellerStatus,
    To,
)


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all queries have in common."""


class NoQuery(Query, frozen=True):
    """No parameters."""


class OfSeller(Query, frozen=True):
    seller_id: SellerFilter | None = None


class PageQuery(Query, frozen=True):
    """One page of a list, newest first."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


class PageOfSeller(PageQuery, frozen=True):
    seller_id: SellerFilter | None = None


class Sellers(PageQuery, frozen=True):
    status: Annotated[SellerStatus | None, Meta(description="Only sellers with this status.")] = None
    q: Search | None = None


class CreditRequests(PageOfSeller, frozen=True):
    status: Annotated[CreditRequestStatus | None, Meta(description="Only requests with this status.")] = None


class Balance(OfSeller, frozen=True):
    at: Annotated[Instant | None, Meta(description="As of the end of this time; a date means its midnight, UTC.")] = (
        None
    )


class Charges(PageOfSeller, frozen=True):
    status: Annotated[ChargeStatus | None, Meta(description="Only charges with this status.")] = None
    phone_number: PhoneNumber | None = None
    reference: Reference | None = None
    idempotency_key: IdempotencyKey | None = None
    from_us: From | None = field(default=None, name="from")
    to_us: To | None = field(default=None, name="to")


class TransactionsCsv(OfSeller, frozen=True):
    type: Annotated[EntryType | None, Meta(description="Only entries of this type.")] = None
    charge_id: Annotated[FilterId | None, Meta(description="Only entries of this charge.")] = None
    from_us: From | None = field(default=None, name="from")
    to_us: To | None = field(default=None, name="to")


class Transactions(TransactionsCsv, frozen=True):
    """As for the export, page by page."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


class Summary(Query, frozen=True):
    from_us: From | None = field(default=None, name="from")


class Statement(OfSeller, frozen=True):
    from_us: From | None = field(default=None, name="from")
    to_us: To | None = field(default=None, name="to")
