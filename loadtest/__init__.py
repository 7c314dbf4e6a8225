"""Puts load on a service over HTTP, and checks every answer against the journal.

Two ways to do so: the `harness` (`python -m loadtest`: any service, any load, a report to show) and the `scenario`
(`python -m loadtest.scenario`: one eventful play, with kills on the way). What they share, in reading order:

- `history`: what a request means, and what was seen of it; `spelling`: the request as HTTP
- `client`: asks it, and notes every attempt; `cast`: the admin and the sellers in whose names it asks
- `service_process`: a service of its own, which may be killed on the way
- `audit`: fetches the journal, as `entries`; `money` and `receipt`: what its texts and hashes mean
- `checker`: the oracle: history against journal, pure
- `charts`: pictures for reports

How fast the service is beside others says the `bench` (`python -m loadtest.bench`), with the programs in `baselines`.

An oracle is worth something only if it cannot be wrong in the same way as what it judges. So nothing of all this
imports the service: money, hash and rules of a charge are written a second time, from the words of the API's contract
(`/swagger.json`) and of `journal/chain.py`. (The `bench` judges nothing: two of its modules make tables and rows as
the service does.)
"""
