"""An auditor can recompute every hash with nothing of ours, and nothing of an entry can change without it."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.chain import details_text, entry_hash, preimage, seal
from journal.entry import CHARGE_FOLLOWERS, REQUEST_FOLLOWERS, Entry, EntryType

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
ids = st.uuids(version=4).map(str)
amounts = st.integers(-(10**18), 10**18)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    keyed = draw(st.booleans())
    type_ = draw(st.sampled_from(EntryType))
    follows = type_ in CHARGE_FOLLOWERS | REQUEST_FOLLOWERS
    details = draw(st.none() | st.dictionaries(st.sampled_from(["amount", "metadata", "note"]), texts, min_size=1))
    return seal(
        Entry(
            seller_id=draw(ids),
            seq=draw(st.integers(1, 2**40)),
            at_us=draw(st.integers(1, 2**52)),
            type=type_,
            amount=draw(amounts),
            held_change=draw(amounts),
            available_after=draw(amounts),
            held_after=draw(amounts),
            credit_limit=0,
            made_by=draw(st.none() | ids),
            subject_id=draw(ids) if follows else None,
            idempotency_key=draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
            if keyed
            else None,
            request_hash=draw(st.binary(min_size=16, max_size=16)) if keyed else None,
            phone_number=draw(st.none() | st.just("+15550100001")),
            reference=draw(st.none() | texts),
            reason=draw(st.none() | texts),
            details=None if details is None else msgspec.json.encode(details).decode(),
            previous_hash=draw(st.binary(min_size=32, max_size=32)),
        )
    )


@given(entries())
def test_the_documented_recipe_gives_the_hash(entry: Entry) -> None:
    members: list[Any] = [
        "charge-shop/1",
        entry.seller_id,
        entry.seq,
        entry.type.value,
        entry.amount,
        entry.held_change,
        entry.available_after,
        entry.held_after,
        entry.charge_id,
        entry.credit_request_id,
        entry.made_by or "system",
        entry.reason,
        json.loads(details_text(entry)),
        entry.at_us,
        entry.previous_hash.hex(),
    ]
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    assert preimage(entry) == text
    assert hashlib.sha256(text.encode()).digest() == entry.hash


COVERED = {
    "seller_id": "0192f3c4-5678-7abc-8def-0123456789ab",
    "seq": 8,
    "at_us": 5,
    "type": EntryType.REFUND,
    "amount": 7,
    "held_change": 7,
    "available_after": 7,
    "held_after": 7,
    "made_by": "0192f3c4-5678-7abc-8def-0123456789ac",
    "subject_id": "0192f3c4-5678-7abc-8def-0123456789ad",
    "idempotency_key": "other",
    "request_hash": bytes(16),
    "phone_number": "+15550100002",
    "reference": "other",
    "reason": "other",
    "details": '{"a":"c"}',
    "previous_hash": bytes(32),
}


@pytest.mark.parametrize("field", COVERED)
def test_no_field_can_change_without_the_hash(field: str) -> None:
    entry = seal(
        Entry(
            seller_id="0192f3c4-5678-7abc-8def-012345678900",
            seq=9,
            at_us=4,
            type=EntryType.CAPTURE,
            amount=1,
            held_change=2,
            available_after=3,
            held_after=4,
            credit_limit=0,
            made_by="0192f3c4-5678-7abc-8def-012345678900",
            subject_id="0192f3c4-5678-7abc-8def-012345678901",
            idempotency_key="key",
            request_hash=b"x" * 16,
            phone_number="+15550100001",
            reference="reference",
            reason="reason",
            details='{"a":"b"}',
            previous_hash=b"y" * 32,
        )
    )
    assert entry_hash(msgspec.structs.replace(entry, **{field: COVERED[field]})) != entry.hash


def test_the_uncovered_fields_are_those_that_verification_derives() -> None:
    assert set(Entry.__struct_fields__) - set(COVERED) == {"credit_limit", "by_admin", "hash"}
