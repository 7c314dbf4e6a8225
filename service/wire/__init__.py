"""What goes over the wire: bodies of requests, parameters of queries, objects and answers.

The same types decode, encode and make the documentation. Read `fields` first, then the others.
"""

from service.wire import answers, fields, queries, requests

__all__ = ["answers", "fields", "queries", "requests"]
