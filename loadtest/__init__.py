"""Plays load over HTTP, and checks every answer against the journal.

In reading order: `plan` (what will be asked), `client` (asks it, and notes every request with its answer in a
`history`), `scenario` (the play), `service_process` (a service of its own, which may be killed on the way),
`audit` (fetches the journal), `checker` (the oracle: history against journal, pure), `report` (the tables).

An oracle is worth something only if it cannot be wrong in the same way as what it judges. So nothing here
imports the service: money, hash and rules of a charge are written a second time, from the contract.
"""
