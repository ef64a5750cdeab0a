"""Logging: Paycore's, uvicorn's, SQLAlchemy's and Alembic's lines in one format, each with the request that it belongs to.

JSON in production, text elsewhere. `app/telemetry/privacy.py` says what a line may hold.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, unbind_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import Settings

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}
_TRANSFERS = logging.getLogger("app.transfers")
_ATOMIC_WRITE_BYTES = 4096
"""The longest write to a pipe that is never interleaved with other writers' (PIPE_BUF on Linux)."""


def configure_logging(settings: Settings) -> None:
    """Configure all loggers of this process. Another call replaces the configuration."""
    is_json = settings.log_format == "json" or (settings.log_format == "auto" and settings.environment == "production")
    pre_chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _drop_color_message,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    processors: list[Processor] = [ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info]
    processors += [structlog.processors.JSONRenderer(serializer=_json)] if is_json else [_escape, _console()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=pre_chain, processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("alembic", "sqlalchemy", "asyncio", "httpx", "httpcore"):
        # Below WARNING their lines are noise or quote text that users wrote.
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        # No access log: a line per request would cost a tenth of a transfer, and would log the query strings of URLs.
        logging.getLogger(name).propagate = name != "uvicorn.access"
    # The busiest logger: its JSON lines are rendered by `log_transfers` and written unformatted, many per write.
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(message)s"))
    _TRANSFERS.handlers[:] = [lines] if is_json else []
    _TRANSFERS.propagate = not is_json


def bind(**known: str) -> None:
    """Add these keys to every further line of this request."""
    bind_contextvars(**known)


def unbind(name: str) -> None:
    """Remove a key that `bind` added."""
    unbind_contextvars(name)


def bound() -> dict[str, Any]:
    """Returns the keys and values that this request's lines carry."""
    return get_contextvars()


def logs_transfers() -> bool:
    """Whether the log level includes the lines about transfers. Check it before building them."""
    return _TRANSFERS.isEnabledFor(logging.INFO)


@contextmanager
def without_transfers() -> Iterator[None]:
    """Switch off the lines about transfers in this block, while the demo's history is made."""
    level = _TRANSFERS.level
    _TRANSFERS.setLevel(logging.WARNING)
    try:
        yield
    finally:
        _TRANSFERS.setLevel(level)


def log_transfers(lines: Sequence[Mapping[str, Any]]) -> None:
    """Log a line for each transfer of a batch, many per write: a line through structlog costs ten times as much."""
    if not lines:
        return
    if _TRANSFERS.propagate:
        for line in lines:
            _TRANSFERS.info("transfer", extra=dict(line))
        return
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "info", {})["timestamp"]
    about = {"event": "transfer", "level": "info", "logger": _TRANSFERS.name, "timestamp": stamp}
    for written in _writes([_json({**about, **line}) for line in lines]):
        _TRANSFERS.info(written)


def _writes(lines: Sequence[str]) -> Iterator[str]:
    """Yields the lines joined into few writes. Workers share a pipe, which may interleave longer writes."""
    gathered: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode()) + 1
        if gathered and size + length > _ATOMIC_WRITE_BYTES:
            yield "\n".join(gathered)
            gathered, size = [], 0
        gathered.append(line)
        size += length
    if gathered:
        yield "\n".join(gathered)


def _json(line: Any, **_options: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _drop_color_message(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """Uvicorn attaches some messages a second time, with colour codes."""
    line.pop("color_message", None)
    return line


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False, exception_formatter=structlog.dev.plain_traceback
    )


def _escape(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """Escape control characters, so that text from a client cannot start a line or move the cursor. JSON escapes them anyway."""
    for name, value in line.items():
        if isinstance(value, str) and name != "exception":
            line[name] = value.translate(_ESCAPED)
    return line
