"""Logs: one line per event to standard error, as JSON or for a terminal, without secrets.

Code logs by the standard library: a word for the event, and what belongs to it in `extra`. Here that becomes a
line, after everything that is, or looks like, a secret has been taken out: by the name it goes under, and by
its own looks, for exceptions carry texts of which nobody knows what is in them.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor

HIDDEN: Final = "***"
_SECRET_NAMES: Final = re.compile(
    r"password|secret|token|authorization|cookie|api_?key|credential|_url$|^url$|^key$", re.I
)
# The length of a scheme has a bound, or each letter of a long text would be the beginning of one, up to the text's end.
_SECRET_LOOKS: Final = re.compile(
    r"""(?ix)
      (?P<scheme>[a-z][a-z0-9+.-]{0,30}://[^\s/@:]*:) [^\s/]*@ # the password in a URL
    | \bcs[tk]_[A-Za-z0-9_-]{8,}                               # our tokens and API keys
    | (?P<bearer>\bbearer\s+) [^\s"',]+
    | (?P<named>\b(?:password|pgpassword)["']?\s*[=:]\s*["']?) [^\s"',}]+
    """
)


def configure(
    level: Literal["debug", "info", "warning", "error"],
    line_format: Literal["auto", "json", "console"],
    stream: TextIO | None = None,
) -> None:
    """Sends everything that this process logs to the stream (standard error by default)."""
    stream = stream or sys.stderr
    if line_format == "json" or (line_format == "auto" and not stream.isatty()):
        render: Processor = structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=True)
    else:
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                ExtraAdder(),
            ],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.server").addFilter(_without_clients_faults)
    # Its warnings are whole tracebacks of a database that is away, which the service says in its own words.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    logging.raiseExceptions = False


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Takes secrets out of an event, at any depth."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name) and value is not None and not isinstance(value, bool):
        return HIDDEN
    match value:
        case str():
            return _SECRET_LOOKS.sub(_keep_the_rest, value)
        case MutableMapping():
            return {str(inner): _redacted(str(inner), of) for inner, of in value.items()}
        case list() | tuple():
            return [_redacted("", of) for of in value]
        case int() | float() | None:
            return value
    return _SECRET_LOOKS.sub(_keep_the_rest, str(value))


def _keep_the_rest(found: re.Match[str]) -> str:
    if (scheme := found["scheme"]) is not None:
        return f"{scheme}{HIDDEN}@"
    return f"{found['bearer'] or found['named'] or ''}{HIDDEN}"


def _without_clients_faults(record: logging.LogRecord) -> bool:
    """What is not HTTP is its sender's fault, answered with 400: no reason to fill the log with tracebacks."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
