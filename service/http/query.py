"""From the query and the path of a request to typed values, or to the problem that says why not.

A query that is not UTF-8 is a 400; a parameter that is unknown, given twice, or not of its type is a 422, never
guessed at. A malformed id in a path is a 404, like an id that is nobody's.
"""

import re
from collections import Counter
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web

from journal.ids import is_id
from journal.times import parse_time
from service.http import findings
from service.problems import FieldError, Problem, ProblemCode, not_found
from service.wire.fields import Bound, FilterId, Instant

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Q = TypeVar("Q", bound=msgspec.Struct)
T = TypeVar("T")


class QueryDecoder(Generic[Q]):
    """Decodes queries of one type; made once per operation."""

    def __init__(self, query_type: type[Q]) -> None:
        self.query_type = query_type
        self._has_defaults_only = not any(field.required for field in msgspec.structs.fields(query_type))

    def read(self, request: web.Request) -> Q:
        """The request's parameters. Raises a Problem (400 or 422)."""
        if not request.query_string and self._has_defaults_only:
            return self.query_type()
        _require_utf8(request.rel_url.raw_query_string)
        return self.decode(list(request.query.items()))

    def decode(self, parameters: list[tuple[str, str]]) -> Q:
        """Raises a Problem (422)."""
        texts = dict(parameters)
        if errors := _repeated(parameters) + findings.find_nul(texts):
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=errors)
        values = {name: _number_or_text(name, text) for name, text in texts.items()}
        try:
            return _converted(values, self.query_type)
        except msgspec.ValidationError as error:
            errors = findings.find(self.query_type, values, _converted)
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=errors) from error


def path_id(request: web.Request) -> str:
    """The canonical id in the request's path. Raises the 404 of ids that are nobody's."""
    text = request.match_info["id"]
    if is_id(text):
        return text
    if is_id(canonical := text.lower()) and text.isascii():
        return canonical
    raise not_found()


def _require_utf8(raw_query: str) -> None:
    """Whatever is not UTF-8 is U+FFFD in `request.query`, as if somebody looked for that."""
    try:
        unquote_to_bytes(raw_query).decode()
    except UnicodeDecodeError as error:
        raise Problem(ProblemCode.MALFORMED_REQUEST, "The query is not UTF-8.") from error


def _repeated(parameters: list[tuple[str, str]]) -> list[FieldError]:
    times = Counter(name for name, _ in parameters)
    return [FieldError(name[:100], "Given more than once.") for name in sorted(times) if times[name] > 1]


def _number_or_text(name: str, text: str) -> int | str:
    """`limit` is the only number among the parameters of this API."""
    return int(text) if name == "limit" and _INTEGER.fullmatch(text) else text


def _converted(value: object, to: type[T]) -> T:
    return msgspec.convert(value, to, dec_hook=_decode_own)


def _decode_own(own_type: type, value: Any) -> Any:
    if own_type in (Instant, Bound):
        if not isinstance(value, str) or (at_us := parse_time(value, rounds_up=own_type is Bound)) is None:
            # A plus sign means a space in a query: a common slip, and the only trace of it is here.
            raise ValueError("Expected a date, or an RFC 3339 time with its offset (`+` is sent as `%2B`)")
        return own_type(at_us)
    assert own_type is FilterId, own_type
    if not isinstance(value, str) or not value.isascii() or not is_id(value.lower()):
        raise ValueError("Expected a UUID")
    return FilterId(value.lower())
