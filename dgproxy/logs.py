# SPDX-License-Identifier: GPL-2.0-only
"""Where log lines go and what they look like: stderr, for a person on a terminal, as JSON anywhere else.

Promises: no line shows a signature or a credential, whoever put it there; no value from outside can bring
control characters to a terminal; what libraries log and warn about takes the same way, from WARNING up,
because their lower levels show request headers. Call `setup` once a process, before the first line.

What is worth logging is for the callers: events are short fixed sentences, everything that varies is a key.
"""

import logging
import os
import re
import sys
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

__all__ = ["get_logger", "setup"]

#: Keys whose values are never written.
_SECRET_KEYS: Final = frozenset({"authorization", "password", "secret", "secret_access_key", "session_token"})
#: The same in running text, such as a header or a presigned URL (Signature Version 4 or 2) in a traceback.
_SECRET_TEXT: Final = re.compile(r"(?i)((?:signature|x-amz-security-token)(?:=|%3d))[^&\s,\"'\\]+")
#: What such text has in it, in lower case: looking for words is ten times cheaper than the pattern.
_SECRET_WORDS: Final = ("signature", "x-amz-security-token")
_HIDDEN: Final = "[hidden]"


def get_logger() -> FilteringBoundLogger:
    """Return a logger; safe to call before `setup`, at import."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def setup(level: str, stream: TextIO | None = None) -> None:
    """Write to `stream` (stderr by default) from `level` up: "debug", "info", "warning" or "error"."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_keys,
    ]
    render = _renderers(stream)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _add_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _renderers(stream: TextIO) -> list[Processor]:
    if stream.isatty():
        console = structlog.dev.ConsoleRenderer(
            colors="NO_COLOR" not in os.environ,
            repr_native_str=True,
            exception_formatter=structlog.dev.plain_traceback,
        )
        return [console, _hide_text]
    return [
        structlog.processors.format_exc_info,
        _event_first,
        structlog.processors.JSONRenderer(),
        _hide_text,
    ]


def _event_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _add_library(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    event["library"] = record.name if record is not None else str(logger)
    return event


def _hide_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in _SECRET_KEYS & event.keys():
        event[key] = _HIDDEN
    return event


def _hide_text(_logger: WrappedLogger, _method: str, line: Any) -> str:
    text = str(line)
    lower = text.lower()
    if not any(word in lower for word in _SECRET_WORDS):
        return text
    return _SECRET_TEXT.sub(rf"\1{_HIDDEN}", text)
