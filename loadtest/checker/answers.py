"""What the journal says that an answer must have been: objects of the contract, made a second time from it.

Each function gives the expected JSON members. An answer has exactly these, or a field differs.
"""

from typing import Any

from loadtest.checker.lifecycle import Step
from loadtest.entries import JournalEntry
from loadtest.money import to_text


def charge(steps: list[Step], entry: JournalEntry) -> dict[str, Any]:
    """The Charge as of `entry`, one of the steps of its life."""
    opening = steps[0].entry
    step = next(step for step in steps if step.entry is entry)
    currency = entry.currency
    return {
        "id": opening.id,
        "seller_id": opening.seller_id,
        "phone_number": opening.details.get("phone_number"),
        "amount": to_text(step.amount, currency),
        "currency": currency,
        "status": step.status,
        "refunded_amount": to_text(step.refunded, currency),
        "reference": opening.details.get("reference"),
        "metadata": opening.details.get("metadata", {}),
        "failure_code": "insufficient_credit" if step.status == "failed" else None,
        "expires_at": opening.details.get("expires_at"),
        "seq": entry.seq,
        "receipt": entry.hash,
        "balance": {
            "available": to_text(entry.available_after, currency),
            "held": to_text(entry.held_after, currency),
        },
        "created_at": opening.created_at,
    }


def decline(entry: JournalEntry) -> dict[str, Any]:
    """The members of the problem that belong to this one charge."""
    return {
        "status": 402,
        "code": "insufficient_credit",
        "charge_id": entry.id,
        "available": to_text(entry.available_after, entry.currency),
    }


def batch_result(entry: JournalEntry) -> dict[str, Any]:
    """What a batch says of the charge that `entry` opened, but for its index."""
    status = {"charge": "completed", "hold": "pending"}.get(entry.type, "failed")
    return {"status": status, "id": entry.id, "code": "insufficient_credit" if status == "failed" else None}


def credit_request(steps: list[Step], entry: JournalEntry) -> dict[str, Any]:
    """The CreditRequest as of `entry`."""
    opening = steps[0].entry
    upto = [step for step in steps if step.entry.seq <= entry.seq]
    status = upto[-1].status
    is_decided = status != "pending"
    approvals = [step.entry for step in upto if step.entry.type in ("credit", "credit_endorsed")]
    return {
        "id": opening.id,
        "seller_id": opening.seller_id,
        "amount": to_text(steps[0].amount, entry.currency),
        "currency": entry.currency,
        "status": status,
        "note": opening.reason,
        "approvals": [{"by": each.made_by, "at": each.created_at} for each in approvals],
        "decision_note": entry.reason if is_decided else None,
        "decided_by": entry.made_by if is_decided else None,
        "decided_at": entry.created_at if is_decided else None,
        "created_at": opening.created_at,
    }


def transaction(entry: JournalEntry) -> dict[str, Any]:
    """The Transaction itself."""
    shown: dict[str, Any] = {name: getattr(entry, name) for name in entry.__struct_fields__}
    for name in ("amount", "held_change", "available_after", "held_after"):
        shown[name] = to_text(shown[name], entry.currency)
    return shown


def differences(expected: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """In words, what an answer has otherwise than expected."""
    return [
        f"{name} is {answer.get(name)!r}, in the journal {expected.get(name)!r}"
        for name in sorted(expected.keys() | answer.keys())
        if name not in expected or name not in answer or answer[name] != expected[name]
    ]
