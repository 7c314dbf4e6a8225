"""An entry's id leads back to its row, and is a UUIDv7 like any other."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from journal.ids import SEQ_MAX, entry_id, is_id, new_id, seq_of, tag_of

seller_ids = st.uuids(version=4).map(str)
times_us = st.integers(0, 2**48 * 1000 - 1)


@given(seller_ids, st.integers(1, SEQ_MAX), times_us)
def test_an_entrys_id_is_a_uuid7_that_leads_back_to_its_row(seller_id: str, seq: int, at_us: int) -> None:
    text = entry_id(seller_id, seq, at_us)
    parsed = UUID(text)
    assert str(parsed) == text
    assert is_id(text)
    assert parsed.version == 7
    assert parsed.variant == "specified in RFC 4122"
    assert parsed.int >> 80 == at_us // 1000
    assert seq_of(text) == seq
    assert tag_of(text) == tag_of(seller_id)


@given(seller_ids, times_us, st.integers(1, SEQ_MAX - 1))
def test_ids_of_one_moment_sort_by_seq(seller_id: str, at_us: int, seq: int) -> None:
    assert entry_id(seller_id, seq, at_us) < entry_id(seller_id, seq + 1, at_us)


@given(times_us, st.binary(min_size=10, max_size=10))
def test_a_new_id_is_a_uuid7_with_all_its_random_bits(now_us: int, random: bytes) -> None:
    text = new_id(now_us, lambda size: random[:size])
    parsed = UUID(text)
    assert str(parsed) == text
    assert parsed.version == 7
    assert parsed.variant == "specified in RFC 4122"
    assert parsed.int >> 80 == now_us // 1000
    # All of the last 62 bits come from the random bytes: the seller's tag is among them.
    assert parsed.int & (2**62 - 1) == int.from_bytes(random) & (2**62 - 1)


def test_what_is_not_a_canonical_uuid_is_no_id() -> None:
    good = "0192f3c4-5678-7abc-8def-0123456789ab"
    assert is_id(good)
    for bad in ("", good.upper(), good + "\n", good[:-1], good.replace("-", ""), "{" + good + "}", good[:-1] + "٥"):
        assert not is_id(bad)
