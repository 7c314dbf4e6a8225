"""Ratios are of one round, their medians count, and a bar is met or not."""

import pytest

from loadtest.bench.comparisons import Comparison, compare, medians, rate_of
from loadtest.bench.open_loop import Latency
from loadtest.bench.workloads import Measurement


def measured(name: str, *rates: float, cpu_us: float | None = None) -> list[Measurement]:
    return [Measurement(name, number, rate, cpu_us=cpu_us) for number, rate in enumerate(rates, 1)]


def latency(share: float, number: int, p99_ms: float, faults: int = 0) -> Latency:
    return Latency(
        share_of_peak=share,
        round=number,
        offered_per_s=1000 * share,
        answered_per_s=1000 * share,
        p50_ms=1,
        p90_ms=2,
        p99_ms=p99_ms,
        p999_ms=2 * p99_ms,
        faults=faults,
    )


def the(name: str, comparisons: list[Comparison]) -> Comparison:
    (found,) = [each for each in comparisons if each.name == name]
    return found


def test_a_machine_that_slows_down_for_everybody_changes_no_ratio():
    measurements = measured("bare", 20_000, 10_000, 4_000) + measured("single", 12_000, 6_000, 2_400)
    ratio = the("of_the_stack", compare(measurements, []))
    assert ratio.rounds == [0.6, 0.6, 0.6]
    assert ratio.value == 0.6
    assert ratio.is_met


def test_one_round_that_was_disturbed_does_not_count():
    measurements = measured("bare", 20_000, 20_000, 20_000) + measured("single", 10_000, 1_000, 9_000)
    ratio = the("of_the_stack", compare(measurements, []))
    assert ratio.value == 0.45
    assert ratio.is_met is False


def test_processor_time_is_compared_the_other_way_round():
    """The less a request takes, the better."""
    measurements = measured("bare", 20_000, cpu_us=30) + measured("single", 10_000, cpu_us=50)
    assert the("cpu_of_the_stack", compare(measurements, [])).value == 0.6


def test_what_was_not_measured_is_not_compared():
    names = {each.name for each in compare(measured("single", 10_000) + measured("hot", 9_500), [])}
    assert names == {"hot"}


def test_a_baseline_that_answered_nothing_gives_no_ratio():
    assert compare(measured("single", 10_000) + measured("row_locks", 0), []) == []


def test_the_99th_percentile_counts_at_half_of_the_peak():
    latencies = [latency(0.5, 1, 12), latency(0.5, 2, 40), latency(0.5, 3, 14), latency(0.9, 1, 80)]
    at_half = the("p99_at_half", compare([], latencies))
    assert at_half.value == 14
    assert at_half.is_met


@pytest.mark.parametrize(("unit", "value", "is_met"), [("ratio", 0.9, True), ("ratio", 0.89, False), ("ms", 1, False)])
def test_a_ratio_reaches_its_bar_and_a_time_does_not_pass_it(unit, value, is_met):
    assert Comparison("name", "title", value, [value], unit, bar=0.9).is_met is is_met


def test_latencies_are_told_by_their_medians_and_all_of_their_faults():
    (one,) = medians([latency(0.25, 1, 3, faults=1), latency(0.25, 2, 90), latency(0.25, 3, 5, faults=2)])
    assert (one.p99_ms, one.faults) == (5, 3)


def test_the_rate_is_the_median_of_the_rounds():
    assert rate_of(measured("single", 1, 100, 3), "single") == 3
    assert rate_of([], "single") is None
