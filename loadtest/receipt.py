"""The receipt of an entry, made a second time from the documentation alone.

SHA-256 of the UTF-8 bytes of one JSON array without whitespace:

    ["charge-shop/1", seller_id, seq, type, amount, held_change, available_after, held_after, charge_id,
     credit_request_id, made_by, reason, details, created_at, previous_hash]

money as integers of minor units, the time as an integer of microseconds since the Unix epoch, hashes as
lower-case hex, `details` with its members in the order in which they were answered, nothing escaped that
JSON does not require.
"""

import json
from hashlib import sha256
from typing import Final

from loadtest.entries import JournalEntry

GENESIS: Final = "0" * 64
"""`previous_hash` of a seller's first entry."""


def receipt(entry: JournalEntry) -> str:
    """What the entry's `hash` has to be."""
    preimage = [
        "charge-shop/1",
        entry.seller_id,
        entry.seq,
        entry.type,
        entry.amount,
        entry.held_change,
        entry.available_after,
        entry.held_after,
        entry.charge_id,
        entry.credit_request_id,
        entry.made_by,
        entry.reason,
        entry.details,
        entry.at_us,
        entry.previous_hash,
    ]
    text = json.dumps(preimage, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()
