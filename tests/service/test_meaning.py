"""The hash of a request's meaning: equal for equal meaning, stable for ever, different for all else."""

from hypothesis import given
from hypothesis import strategies as st

from service.meaning import canonical_metadata, request_hash

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
requests = st.tuples(st.sampled_from(["charge", "capture"]), st.none() | st.just("c-1"), st.lists(scalars, max_size=4))


def test_hashes_in_journals_stay_what_they_are() -> None:
    """These are in journals by now. A change of this test is a change of what is already written."""
    assert request_hash("charge", None, "+15550100001", 5000, None, None, None).hex() == GOLDEN_CHARGE
    assert request_hash("capture", "0195f3a2-c4b0-7000-8000-002a5d3e9c41", None).hex() == GOLDEN_CAPTURE


GOLDEN_CHARGE = "e49123efb11492d4999c0637d728a57a"
GOLDEN_CAPTURE = "e8cff736cbbf06b89e0811e82e6fca8a"


@given(requests, requests)
def test_only_equal_requests_have_equal_hashes(one: tuple, other: tuple) -> None:
    # In Python True == 1; on the wire they are not the same.
    is_same = repr(one) == repr(other)
    assert (request_hash(one[0], one[1], *one[2]) == request_hash(other[0], other[1], *other[2])) == is_same


def test_neighbours_do_not_run_together() -> None:
    assert request_hash("a", None, "b", "c") != request_hash("a", "b", "c")
    assert request_hash("a", None, "b,c") != request_hash("a", None, "b", "c")
    assert request_hash("a", None, None) != request_hash("a", None)
    assert request_hash("a", None, "5") != request_hash("a", None, 5)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        min_size=1,
    )
)
def test_metadata_means_the_same_in_any_order(metadata: dict[str, str]) -> None:
    assert canonical_metadata(metadata) == canonical_metadata(dict(reversed(metadata.items())))


def test_empty_metadata_is_none() -> None:
    assert canonical_metadata({}) is None
    assert canonical_metadata(None) is None
    assert canonical_metadata({"b": "2", "a": "é"}) == '{"a":"é","b":"2"}'
