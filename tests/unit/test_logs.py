"""A log line is one line, whoever wrote what is in it. In a process of its own: logging belongs to the process."""

from __future__ import annotations

import json
import subprocess
import sys

HOSTILE = "first\nERROR second\r\x1b[31mthird\x9b"
SAY = """
import logging
from app.logs import configure_logging
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
