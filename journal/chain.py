"""The hash chain: what makes the journal impossible to change unnoticed.

An entry's `hash`, which is also the receipt in the answer to a charge, is the SHA-256 of the UTF-8 bytes of
one JSON array without any whitespace:

    ["charge-shop/1", seller_id, seq, type, amount, held_change, available_after, held_after, charge_id,
     credit_request_id, made_by, reason, details, created_at, previous_hash]

Its members are those of the `Transaction` object of the API, with three differences of form: money is an
integer in minor units ("50.00" is 5000), `created_at` an integer of microseconds since the Unix epoch, and
hashes are lower-case hex (64 zeros before a seller's first entry). `details` is the object exactly as the API
answers it, members in that order. Strings are escaped as little as JSON allows: `"`, `\\`, and control
characters (short forms for \\b \\t \\n \\f \\r, otherwise \\u00xx). An auditor needs nothing of ours:

    import hashlib, json
    from datetime import datetime, timedelta, timezone

    def receipt(t: dict) -> str:
        minor = lambda money: int(money.replace(".", ""))
        since = datetime.fromisoformat(t["created_at"]) - datetime(1970, 1, 1, tzinfo=timezone.utc)
        preimage = ["charge-shop/1", t["seller_id"], t["seq"], t["type"], minor(t["amount"]),
            minor(t["held_change"]), minor(t["available_after"]), minor(t["held_after"]), t["charge_id"],
            t["credit_request_id"], t["made_by"], t["reason"], t["details"],
            since // timedelta(microseconds=1), t["previous_hash"]]
        text = json.dumps(preimage, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

Pure, and on the hot path: built by string formatting, once per entry.
"""

from hashlib import sha256

import msgspec
from msgspec.structs import force_setattr

from journal.entry import CHARGE_FOLLOWERS, CHARGE_OPENERS, REQUEST_FOLLOWERS, Entry, EntryType
from journal.ids import entry_id

SYSTEM = "system"
"""Who made what nobody asked for: `made_by` of an expiry."""


def seal(entry: Entry) -> Entry:
    """Gives a new entry its hash: the one moment at which a frozen entry is still being made."""
    force_setattr(entry, "hash", sha256(preimage(entry).encode()).digest())
    return entry


def entry_hash(entry: Entry) -> bytes:
    """The 32 bytes that the entry's `hash` must be. Reads every field but `hash` itself."""
    return sha256(preimage(entry).encode()).digest()


def preimage(entry: Entry) -> str:
    """The text that is hashed (see above)."""
    charge_id, request_id = "null", "null"
    type_ = entry.type
    if type_ in CHARGE_OPENERS:
        charge_id = f'"{entry_id(entry.seller_id, entry.seq, entry.at_us)}"'
    elif type_ in CHARGE_FOLLOWERS:
        charge_id = f'"{entry.subject_id}"'
    elif type_ is EntryType.CREDIT_REQUESTED:
        request_id = f'"{entry.id}"'
    elif type_ in REQUEST_FOLLOWERS:
        request_id = f'"{entry.subject_id}"'
    reason = "null" if entry.reason is None else json_text(entry.reason)
    return (
        f'["charge-shop/1","{entry.seller_id}",{entry.seq},"{type_}",{entry.amount},{entry.held_change},'
        f"{entry.available_after},{entry.held_after},{charge_id},{request_id},"
        f'"{entry.made_by or SYSTEM}",{reason},{details_text(entry)},'
        f'{entry.at_us},"{entry.previous_hash.hex()}"]'
    )


def details_text(entry: Entry) -> str:
    """The `details` object of the API as JSON text: what has a column of its own in the journal, then the rest."""
    members = []
    if entry.phone_number is not None:
        members.append(f'"phone_number":"{entry.phone_number}"')
    if entry.reference is not None:
        members.append(f'"reference":{json_text(entry.reference)}')
    if entry.details is not None:
        members.append(entry.details[1:-1])
    if entry.idempotency_key is not None:
        assert entry.request_hash is not None
        members.append(f'"idempotency_key":{json_text(entry.idempotency_key)}')
        members.append(f'"request_hash":"{entry.request_hash.hex()}"')
    return "{" + ",".join(members) + "}"


def json_text(value: str) -> str:
    return msgspec.json.encode(value).decode()
