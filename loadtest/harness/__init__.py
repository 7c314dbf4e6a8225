"""The harness: any load on any service, a live display, the exact check, and a report to show: `python -m loadtest`.

In reading order: `options` (what may be asked for, and its bounds), `mix` and `schedule` (what is asked when: pure),
`customers` (turns that into requests), `wire` and `response` (HTTP with little work), `driver` (sends what is due),
`measurements` and `display` (what is seen of it meanwhile), `preparation` and `inspection` (before and after), `run`
(all of it), `figures` and `page` (the report).
"""
