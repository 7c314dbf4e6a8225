"""Metrics: every count is in the exposition, as Prometheus reads it."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from journal.store import FlushRefused, JournalUnavailable, OutcomeUnknown
from service.metrics import Histogram, Metrics, exposition


def samples(metrics: Metrics) -> dict[tuple[str, tuple], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(metrics.families())[0].decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    charge = metrics.route("POST", "/v1/charges")
    charge(201, 0.0009)
    charge(201, 0.3)
    charge(402, 20.0)
    metrics.route("GET", "/healthz")
    found = samples(metrics)
    route = (("method", "POST"), ("route", "/v1/charges"))
    assert found["charge_shop_http_requests_total", (*route, ("status", "201"))] == 2
    assert found["charge_shop_http_requests_total", (*route, ("status", "402"))] == 1
    name = "charge_shop_http_request_duration_seconds"
    assert found[f"{name}_count", route] == 3
    assert found[f"{name}_sum", route] == 20.3009
    assert found[f"{name}_bucket", (("le", "0.001"), *route)] == 1
    assert found[f"{name}_bucket", (("le", "0.5"), *route)] == 2
    assert found[f"{name}_bucket", (("le", "+Inf"), *route)] == 3


def test_decisions_flushes_and_verifications_are_counted() -> None:
    metrics = Metrics()
    metrics.decided("charge")
    metrics.decided("charge")
    metrics.decided("insufficient_credit")
    metrics.flushed(100, 0.003)
    metrics.verified(0, 5.0)
    metrics.verified(2, 6.0)
    found = samples(metrics)
    assert found["charge_shop_decisions_total", (("kind", "charge"),)] == 2
    assert found["charge_shop_decisions_total", (("kind", "insufficient_credit"),)] == 1
    assert found["charge_shop_flush_entries_sum", ()] == 100
    assert found["charge_shop_flush_duration_seconds_bucket", (("le", "0.004"),)] == 1
    assert found["charge_shop_verifications_total", (("result", "passed"),)] == 1
    assert found["charge_shop_verifications_total", (("result", "failed"),)] == 1
    assert found["charge_shop_verification_drift", ()] == 2
    assert found["charge_shop_last_verification_timestamp_seconds", ()] == 6


def test_what_is_alerted_on_is_there_before_it_happens() -> None:
    """`increase()` sees none in a series that begins with 1, so the first fault would raise no alert."""
    metrics = Metrics()
    metrics.route("POST", "/v1/charges")
    found = samples(metrics)
    for fault in (FlushRefused, OutcomeUnknown, JournalUnavailable):
        assert found["charge_shop_flush_faults_total", (("kind", fault.__name__),)] == 0
    route = (("method", "POST"), ("route", "/v1/charges"))
    assert found["charge_shop_http_requests_total", (*route, ("status", "500"))] == 0
    assert ("charge_shop_http_request_duration_seconds_count", route) not in found


def test_what_is_watched_is_read_when_asked_for() -> None:
    metrics = Metrics()
    depth, state = 0, "standby"
    metrics.watch("mailbox_depth", "Commands that wait.", lambda: depth)
    metrics.watch_state("lease", "Lease.", ["standby", "leading"], lambda: state)
    depth, state = 7, "leading"
    found = samples(metrics)
    assert found["charge_shop_mailbox_depth", ()] == 7
    assert found["charge_shop_lease", (("state", "leading"),)] == 1
    assert found["charge_shop_lease", (("state", "standby"),)] == 0


def test_each_application_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.decided("charge")
    assert ("charge_shop_decisions_total", (("kind", "charge"),)) not in samples(other)


@given(st.lists(st.floats(0, 10, allow_nan=False)))
def test_buckets_count_what_is_up_to_their_bound(values: list[float]) -> None:
    histogram = Histogram((0.1, 1.0, 5.0))
    for value in values:
        histogram.observe(value)
    assert histogram.cumulated() == [
        *((str(bound), float(sum(value <= bound for value in values))) for bound in (0.1, 1.0, 5.0)),
        ("+Inf", float(len(values))),
    ]
