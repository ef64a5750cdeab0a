"""A log entry is always one line. The tests log in a process of their own, because logging is configured per process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

HOSTILE = "first\nERROR second\r\x1b[31mthird\x9b"
LOGGING = """
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


def logged(log_format: str) -> str:
    code = LOGGING.format(format=log_format, text=HOSTILE)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    ).stderr


def test_text_logs_escape_control_characters() -> None:
    first, second, third, *trace = logged("text").splitlines()
    assert "first\\nERROR second\\r\\x1b[31mthird\\x9b" in first
    assert "third" in second
    assert "failed" in third
    assert trace[-1] == "ValueError: inner"
    assert "\x1b" not in logged("text")


def test_json_logs_have_one_object_per_entry_including_exceptions() -> None:
    lines = [json.loads(line) for line in logged("json").splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines] == [HOSTILE, "failed"]
    assert lines[1]["level"] == "error"
    assert "ValueError: inner" in lines[1]["exception"]


def test_processes_that_share_a_pipe_do_not_break_each_others_lines() -> None:
    """Like workers: several processes write batches of the largest commit to one pipe."""
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
