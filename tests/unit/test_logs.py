"""A log line is one line, whoever wrote what is in it. In a process of its own: logging belongs to the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

HOSTILE = "first\nERROR second\r\x1b[31mthird\x9b"
SAY = """
import logging
from app.telemetry.logs import configure_logging
from app.settings import Settings
configure_logging(Settings(log_format={format!r}))
logging.getLogger("somebody").warning({text!r})
logging.getLogger("app.transfers").info("transfer", extra={{"key": {text!r}}})
try:
    raise ValueError("inner")
except ValueError:
    logging.getLogger("somebody").exception("failed")
"""


def said(log_format: str) -> str:
    code = SAY.format(format=log_format, text=HOSTILE)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    ).stderr


def test_text_has_a_line_for_each_and_escapes_what_moves_a_cursor() -> None:
    first, second, third, *trace = said("text").splitlines()
    assert "first\\nERROR second\\r\\x1b[31mthird\\x9b" in first
    assert "third" in second
    assert "failed" in third
    assert trace[-1] == "ValueError: inner"
    assert "\x1b" not in said("text")


def test_json_has_an_object_for_each_even_for_an_exception() -> None:
    lines = [json.loads(line) for line in said("json").splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines] == [HOSTILE, "failed"]
    assert lines[1]["level"] == "error"
    assert "ValueError: inner" in lines[1]["exception"]


def test_writers_who_share_a_pipe_break_none_of_each_others_lines() -> None:
    """As workers do: several processes, batches as large as a commit may be, one pipe."""
    code = """
import logging, sys
from app.telemetry.logs import configure_logging, log_transfers
from app.settings import Settings
configure_logging(Settings(log_format="json"))
for _ in range(40):
    log_transfers([{"key": sys.argv[1] * 12, "number": number, "words": "w" * 200} for number in range(500)])
"""
    read, write = os.pipe()
    writers = [subprocess.Popen([sys.executable, "-c", code, name], stderr=write, env={"PATH": "/usr/bin"}) for name in "abc"]
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        lines = pipe.read().splitlines()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert Counter(json.loads(line)["key"][0] for line in lines) == {"a": 20_000, "b": 20_000, "c": 20_000}
