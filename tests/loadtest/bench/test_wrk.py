"""What wrk said is read, or it is said that it was not understood."""

import pytest

from loadtest.bench.wrk import Answered, WrkFailed, parse

OUTPUT = """Running 4s test @ http://127.0.0.1:8080
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.71ms    2.63ms  41.17ms   86.49%
    Req/Sec     9.62k     0.94k   11.15k    73.17%
  38655 requests in 4.04s, 24.44MB read
  Non-2xx or 3xx responses: 7
Requests/sec:   9567.92
RESULT {"requests":38655,"duration_us":4040061,"not_2xx":7,"socket_errors":2,"p50_us":6412,"p99_us":17003}
"""


def test_the_line_of_the_scripts_is_found_among_the_others():
    assert parse(OUTPUT) == Answered(38655, 4_040_061, 7, 2, 6412, 17_003)


@pytest.mark.parametrize(
    "output", ["", "unable to connect to 127.0.0.1:8080 Connection refused", 'RESULT {"requests":"many"}', "RESULT {"]
)
def test_anything_else_is_a_failure_that_tells_what_was_said(output):
    with pytest.raises(WrkFailed) as failed:
        parse(output)
    assert (output or "nothing") in str(failed.value)
