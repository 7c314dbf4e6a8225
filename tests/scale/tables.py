"""Rows as COPY takes them: lines of text, which cost a third of the time that encoding every value by its type does."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from journal.entry import Entry
from journal.projections import AccountRow, ChargeRow, CreditRequestRow
from tests.scale.market import Admin, Seller

NULL: Final = r"\N"
CELL_TABLES: Final = ("cell_00.entries", "cell_00.accounts", "cell_00.charges", "cell_00.credit_requests")
SHOP_TABLES: Final = ("shop.users", "shop.sellers")

ENTRY_COLUMNS: Final = (
    "seller_id, seq, position, at_us, amount, held_change, available_after, held_after, credit_limit, made_by, "
    "subject_id, by_admin, type, idempotency_key, request_hash, phone_number, reference, reason, details, hash"
)
ACCOUNT_COLUMNS: Final = "seller_id, currency, is_suspended, credit_limit"
CHARGE_COLUMNS: Final = "seller_id, seq, id, status, amount, refunded, expires_at_us, last_seq"
REQUEST_COLUMNS: Final = (
    "seller_id, seq, id, status, amount, note, requested_at_us, approvals, decision_note, decided_by, decided_at_us, "
    "last_seq"
)
USER_COLUMNS: Final = "id, username, role, password_hash, created_at"
SELLER_COLUMNS: Final = "id, name, search, currency, created_at"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def entries_text(entries: Iterable[Entry], first_position: int) -> bytes:
    return "".join(
        f"{e.seller_id}\t{e.seq}\t{position}\t{e.at_us}\t{e.amount}\t{e.held_change}\t{e.available_after}\t"
        f"{e.held_after}\t{e.credit_limit}\t{e.made_by or NULL}\t{e.subject_id or NULL}\t{'t' if e.by_admin else 'f'}\t"
        f"{e.type}\t{_text(e.idempotency_key)}\t{_bytes(e.request_hash)}\t{_text(e.phone_number)}\t"
        f"{_text(e.reference)}\t{_text(e.reason)}\t{_text(e.details)}\t{_bytes(e.hash)}\n"
        for position, e in enumerate(entries, first_position)
    ).encode()


def account_line(row: AccountRow) -> str:
    return f"{row.seller_id}\t{row.currency}\t{'t' if row.is_suspended else 'f'}\t{row.credit_limit}\n"


def charge_line(row: ChargeRow) -> str:
    expires_at = NULL if row.expires_at_us is None else row.expires_at_us
    return (
        f"{row.seller_id}\t{row.seq}\t{row.id}\t{row.status}\t{row.amount}\t{row.refunded}\t{expires_at}\t"
        f"{row.last_seq}\n"
    )


def request_line(row: CreditRequestRow) -> str:
    return (
        f"{row.seller_id}\t{row.seq}\t{row.id}\t{row.status}\t{row.amount}\t{_text(row.note)}\t{row.requested_at_us}\t"
        f"{_text(msgspec.json.encode(row.approvals).decode())}\t{_text(row.decision_note)}\t{row.decided_by or NULL}\t"
        f"{NULL if row.decided_at_us is None else row.decided_at_us}\t{row.last_seq}\n"
    )


def user_line(password_hash: str) -> Callable[[Seller], str]:
    """All with the same password: to hash a million takes half a day."""
    return lambda seller: _user(seller.id, username_of(seller), "seller", password_hash, seller.created_at_us)


def admin_line(password_hash: str) -> Callable[[Admin], str]:
    return lambda admin: _user(admin.id, admin.username, "admin", password_hash, admin.created_at_us)


def _user(id: str, username: str, role: str, password_hash: str, created_at_us: int) -> str:
    return f"{id}\t{username}\t{role}\t{password_hash}\t{_time(created_at_us)}\n"


def seller_line(seller: Seller) -> str:
    search = f"shop {seller.number}\\n{username_of(seller)}"
    return f"{seller.id}\tShop {seller.number}\t{search}\t{seller.currency}\t{_time(seller.created_at_us)}\n"


def username_of(seller: Seller) -> str:
    return f"seller-{seller.number}"


def _text(value: str | None) -> str:
    return NULL if value is None else value.translate(_ESCAPES)


def _bytes(value: bytes | None) -> str:
    return NULL if value is None else rf"\\x{value.hex()}"


def _time(at_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat()
