"""One pipe for all logs: ours, uvicorn's, SQLAlchemy's and Alembic's, each line with the request that it belongs to.

JSON in production, for machines; elsewhere text, for people. What a line may hold is said in `app/telemetry/privacy.py`.
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
_WHOLE_BYTES = 4096
"""What a pipe takes without mixing it with what others write into it (POSIX's PIPE_BUF, as Linux has it)."""


def configure_logging(settings: Settings) -> None:
    """Send every logger of this process through the pipe. Once for each process; again, it replaces what there was."""
    is_json = settings.log_format == "json" or (settings.log_format == "auto" and settings.environment == "production")
    told: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _drop_twins,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown: list[Processor] = [ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info]
    shown += [structlog.processors.JSONRenderer(serializer=_json)] if is_json else [_escape, _console()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=told, processors=shown))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("alembic", "sqlalchemy", "asyncio", "httpx", "httpcore"):
        # What they say in passing is either noise or quotes what people wrote.
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        # No line for each request: it would cost a tenth of a transfer, and hold whatever stands in a URL's query.
        logging.getLogger(name).propagate = name != "uvicorn.access"
    # The one that is busy: its lines are rendered here and written as they are, many at a time.
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(message)s"))
    _TRANSFERS.handlers[:] = [lines] if is_json else []
    _TRANSFERS.propagate = not is_json


def bind(**known: str) -> None:
    """Have every line of this request carry these too."""
    bind_contextvars(**known)


def unbind(name: str) -> None:
    """Have them carry this no longer."""
    unbind_contextvars(name)


def bound() -> dict[str, Any]:
    """What this request's lines carry."""
    return get_contextvars()


def tells_transfers() -> bool:
    """Whether lines about transfers are wanted at all."""
    return _TRANSFERS.isEnabledFor(logging.INFO)


@contextmanager
def without_transfers() -> Iterator[None]:
    """No lines about transfers in this block: those that only make a demo's history are nobody's news."""
    level = _TRANSFERS.level
    _TRANSFERS.setLevel(logging.WARNING)
    try:
        yield
    finally:
        _TRANSFERS.setLevel(level)


def tell_transfers(lines: Sequence[Mapping[str, Any]]) -> None:
    """One line for each transfer of a batch, many in one write: a line by the general way costs ten times as much."""
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
    """The lines in as few writes as keep them whole: workers share one pipe, and it mixes longer writes with each other."""
    gathered: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode()) + 1
        if gathered and size + length > _WHOLE_BYTES:
            yield "\n".join(gathered)
            gathered, size = [], 0
        gathered.append(line)
        size += length
    if gathered:
        yield "\n".join(gathered)


def _json(line: Any, **_options: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _drop_twins(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """Uvicorn says some things twice: the second time in colours."""
    line.pop("color_message", None)
    return line


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False, exception_formatter=structlog.dev.plain_traceback
    )


def _escape(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """Whatever somebody has sent, it begins no line of its own and moves no cursor. JSON does that by itself."""
    for name, value in line.items():
        if isinstance(value, str) and name != "exception":
            line[name] = value.translate(_ESCAPED)
    return line
