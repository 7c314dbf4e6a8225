"""How entries and projection rows are read from Postgres: the columns, in one order, and what is made of them."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from journal.entry import GENESIS_HASH, Entry, EntryType
from journal.projections import Approval, ChargeRow, ChargeStatus, CreditRequestRow, CreditRequestStatus

ENTRY_COLUMNS: Final = """
    e.seller_id::text, e.seq, e.at_us, e.type, e.amount, e.held_change, e.available_after, e.held_after,
    e.credit_limit, e.made_by::text, e.by_admin, e.subject_id::text, e.idempotency_key, e.request_hash,
    e.phone_number, e.reference, e.reason, e.details, e.hash, e.position"""
"""Of table alias `e`, in the order that `entry_of` takes them."""

PREVIOUS_HASH: Final = """
    (SELECT p.hash FROM {cell}.entries p WHERE p.seller_id = e.seller_id AND p.seq = e.seq - 1) AS previous_hash"""
"""To be selected after `ENTRY_COLUMNS`, where the previous row is not at hand."""

CURRENCY: Final = "(SELECT a.currency FROM {cell}.accounts a WHERE a.seller_id = e.seller_id) AS currency"
"""Likewise: that of the seller."""

CHARGE_COLUMNS: Final = """
    c.seller_id::text, c.seq, c.id::text, c.status, c.amount, c.refunded, c.expires_at_us, c.last_seq"""

REQUEST_COLUMNS: Final = """
    r.seller_id::text, r.seq, r.id::text, r.status, r.amount, r.note, r.requested_at_us, r.last_seq,
    r.approvals, r.decision_note, r.decided_by::text, r.decided_at_us"""

_TYPES: Final = {type_.value: type_ for type_ in EntryType}
"""For what is read of every entry: to call the enum takes half a microsecond."""

_approvals = msgspec.json.Decoder(tuple[Approval, ...])


def entry_of(row: asyncpg.Record | Sequence[Any], previous_hash: bytes | None) -> Entry:
    """The entry in a row that begins with `ENTRY_COLUMNS`."""
    return Entry(
        seller_id=row[0],
        seq=row[1],
        at_us=row[2],
        type=_TYPES.get(row[3]) or EntryType(row[3]),
        amount=row[4],
        held_change=row[5],
        available_after=row[6],
        held_after=row[7],
        credit_limit=row[8],
        made_by=row[9],
        by_admin=row[10],
        subject_id=row[11],
        idempotency_key=row[12],
        request_hash=row[13],
        phone_number=row[14],
        reference=row[15],
        reason=row[16],
        details=row[17],
        previous_hash=GENESIS_HASH if previous_hash is None else previous_hash,
        hash=row[18],
    )


POSITION: Final = 19
"""Where `ENTRY_COLUMNS` has the position."""


def charge_of(row: Sequence[Any]) -> ChargeRow:
    """The charge in a row that begins with `CHARGE_COLUMNS`."""
    return ChargeRow(row[0], row[1], row[2], ChargeStatus(row[3]), row[4], row[5], row[6], row[7])


def request_of(row: Sequence[Any]) -> CreditRequestRow:
    """The credit request in a row that begins with `REQUEST_COLUMNS`."""
    return CreditRequestRow(
        seller_id=row[0],
        seq=row[1],
        id=row[2],
        status=CreditRequestStatus(row[3]),
        amount=row[4],
        note=row[5],
        requested_at_us=row[6],
        last_seq=row[7],
        approvals=_approvals.decode(row[8]),
        decision_note=row[9],
        decided_by=row[10],
        decided_at_us=row[11],
    )
