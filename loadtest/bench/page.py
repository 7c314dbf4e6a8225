"""What was found, as one HTML file that opens from disk: the verdicts, the pictures, and what they are worth."""

from html import escape
from typing import Final

from loadtest.bench import plots
from loadtest.bench.comparisons import rate_of
from loadtest.bench.report import bar_of, spelled
from loadtest.bench.result import Result

STYLE: Final = """
  body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.5rem }
  table { border-collapse: collapse; width: 100% }
  td, th { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #e4e7eb }
  .n { text-align: right; font-variant-numeric: tabular-nums }
  .met { color: #1a7f5a } .not { color: #b3402a; font-weight: 600 } .quiet { color: #616e7c }
  svg { width: 100%; height: auto; font-family: system-ui, sans-serif }
"""
HOW: Final = (
    "wrk, one thread, {connections} connections (batches: 4 and 2), every workload once a round; the service with its "
    "embedded PostgreSQL, fsync on, metrics on; row locks and COPY in databases of their own on the same server. Load, "
    "services and database share the processors, so only ratios within one round count, and their medians. "
    "Latencies count from when a request was due; their client runs on this machine too."
)


def of(result: Result) -> str:
    machine = result.machine
    peak = rate_of(result.measurements, "single")
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Charge Shop: bench</title>",
        f"<style>{STYLE}</style>",
        "<h1>Charge Shop: bench</h1>",
        f"<p class=quiet>{escape(result.began_at)} · {machine.processors} processors, {escape(machine.processor)} · "
        f"{escape(machine.system)} · Python {machine.python} · load before: {machine.load_before:.1f} · "
        f"{result.rounds} rounds of {result.seconds} s · {result.sellers:,} sellers · "
        f"{result.connections:,} connections</p>",
        f"<p>{escape(HOW.format(connections=result.connections))}</p>",
        "<h2>Bars</h2>",
        _comparisons(result),
        *([plots.bars(result)] if any(each.bar is not None for each in result.comparisons) else []),
        "<h2>Throughput</h2>",
        plots.throughput(result),
    ]
    if result.latencies and peak is not None:
        parts += [f"<h2>Latency, up to the peak of {peak:,.0f} charges/s</h2>", plots.latency(result)]
    parts += ["<h2>Checks</h2>", _checks(result), "</html>"]
    return "\n".join(parts) + "\n"


def _comparisons(result: Result) -> str:
    rows = []
    for each in result.comparisons:
        verdict = {None: "", True: "<span class=met>met</span>", False: "<span class=not>not met</span>"}[each.is_met]
        spread = f"{spelled(each, min(each.rounds))} to {spelled(each, max(each.rounds))}"
        rows.append(
            f"<tr><td>{escape(each.title)}<td class=n>{spelled(each, each.value)}<td class='n quiet'>{spread}"
            f"<td class=n>{escape(bar_of(each))}<td>{verdict}"
        )
    head = "<tr><th><th class=n>median<th class=n>rounds<th class=n>bar<th>"
    return f"<table>{head}{''.join(rows)}</table>"


def _checks(result: Result) -> str:
    rows = []
    for check in result.checks:
        said = f"<span class=not>{escape(check.fault)}</span>" if check.fault else "<span class=met>yes</span>"
        rows.append(f"<tr><td>{escape(check.title)}<td>{said}")
    return f"<table>{''.join(rows)}</table>"
