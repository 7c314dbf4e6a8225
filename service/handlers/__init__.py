"""One class per resource: each method decodes a request, asks whoever knows, and encodes the answer.

A handler gets the request and the principal who sent it, and answers or raises a `Problem` or a fault; what all
requests have in common is done around it, by `service.endpoint`. Handlers keep no state and decide nothing about
accounts.
"""
