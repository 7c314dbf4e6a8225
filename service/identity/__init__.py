"""Who is asking: users, their passwords, tokens and API keys, and the credentials kept in memory.

In reading order: `bearer` (what a credential looks like), `credentials` and `revocations` (the hot path: a
dictionary look-up that a revocation reaches within a second), `sign_in`, `throttle` and `passwords` (how a
token is earned), `tokens` and `api_keys`, `users`, `sellers` and `first_admin` (the rows, made with the time and the
chance of `sources`), `housekeeping`.

Refusals are values, an `IdentityRefusal` with a code of `service.problems`. What fails from outside is one of the
faults of `journal.store`, or `actors.directory.Overloaded`. Nothing here decides what a principal may do: handlers do.
"""
