"""What is offered is a function of the seed, and as much, as skewed and as mixed as it says."""

from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.harness.mix import CHOSEN, DEFAULT, Operation, mix_of
from loadtest.harness.schedule import Arrival, Load, schedule

LOAD = Load(seed=1, sellers=10, rate=1000, duration_s=3, mix=mix_of(DEFAULT))

loads = st.builds(
    Load,
    seed=st.integers(0, 2**32),
    sellers=st.integers(1, 50),
    rate=st.floats(0.1, 2000),
    duration_s=st.floats(0.1, 2),
    arrivals=st.sampled_from(("poisson", "constant")),
    mix=st.dictionaries(st.sampled_from(CHOSEN), st.integers(1, 100), min_size=1).map(
        lambda weights: mix_of(",".join(f"{name}={weight}" for name, weight in weights.items()))
    ),
    skew=st.floats(0, 3),
    keys_share=st.floats(0, 1),
)


@given(load=loads)
def test_the_schedule_is_a_function_of_the_seed_and_within_its_bounds(load: Load):
    arrivals = list(schedule(load))
    assert arrivals == list(schedule(load))
    assert [arrival.number for arrival in arrivals] == list(range(len(arrivals)))
    assert all(earlier.due_ns <= later.due_ns for earlier, later in pairwise(arrivals))
    for arrival in arrivals:
        assert 0 <= arrival.due_ns < load.duration_s * 1e9
        assert 0 <= arrival.seller < load.sellers
        assert arrival.operation in load.mix.operations
        assert arrival.amount > 0


def test_another_seed_is_another_schedule():
    assert list(schedule(LOAD)) != list(schedule(replace(LOAD, seed=2)))


def test_two_mixes_are_offered_at_the_same_moments():
    def moments(load: Load) -> list[int]:
        return [arrival.due_ns for arrival in schedule(load)]

    assert moments(LOAD) == moments(replace(LOAD, mix=mix_of("read=1"), skew=2))


def test_the_rate_is_what_was_asked_for():
    for kind in ("poisson", "constant"):
        assert 2800 < len(list(schedule(replace(LOAD, arrivals=kind)))) < 3200


def test_constant_arrivals_are_evenly_apart_and_poisson_ones_are_not():
    def gaps(kind: str) -> set[int]:
        arrivals = schedule(replace(LOAD, arrivals=kind))
        return {(later.due_ns - earlier.due_ns) // 1000 for earlier, later in pairwise(arrivals)}

    assert gaps("constant") <= {999, 1000}
    assert len(gaps("poisson")) > 500


def test_sellers_are_drawn_by_zipfs_law():
    def takers(skew: float) -> Counter[int]:
        return Counter(arrival.seller for arrival in schedule(replace(LOAD, rate=10_000, skew=skew)))

    even, steep = takers(0), takers(1)
    assert max(even.values()) < 1.2 * min(even.values())
    assert 1.8 < steep[0] / steep[1] < 2.2
    assert 8 < steep[0] / steep[9] < 12


def test_operations_and_keys_come_in_the_shares_that_were_asked_for():
    arrivals: list[Arrival] = list(schedule(replace(LOAD, mix=mix_of("charge=3,read=1"), keys_share=0.25)))
    operations = Counter(arrival.operation for arrival in arrivals)
    assert 2.5 < operations[Operation.CHARGE] / operations[Operation.READ] < 3.5
    assert 0.2 < sum(arrival.has_key for arrival in arrivals) / len(arrivals) < 0.3


def test_a_closed_loop_has_no_end_and_no_moments():
    arrivals = list(islice(schedule(replace(LOAD, rate=None)), 10_000))
    assert len(arrivals) == 10_000
    assert {arrival.due_ns for arrival in arrivals} == {0}


def test_a_mix_is_read_and_written():
    assert str(mix_of(DEFAULT)) == DEFAULT
    assert {operation.value for operation in mix_of(DEFAULT).operations} == set(CHOSEN)
    assert mix_of("read=1").operations == (Operation.READ,)


@pytest.mark.parametrize(
    "text",
    [
        *("", "charge", "charge=", "charge=-1", "charge=1.5", "charge=٣", "charge=9999999", "sell=1", "approve=1"),
        *("charge=0", "charge=1,charge=2", "charge=1,"),
    ],
)
def test_a_mix_that_is_none_is_refused_in_one_line(text: str):
    with pytest.raises(ValueError, match=r"^.+$"):
        mix_of(text)
