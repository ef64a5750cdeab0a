"""What Paycore overrides and uses of libraries beyond their public interfaces is there, and takes what it took.

An upgrade that changes one of these fails here with its name, before it fails somewhere else without.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import asyncpg
import broadcaster
import pytest
from asyncpg import connect_utils
from graphql.execution.executor import Executor
from graphql.validation.rules import overlapping_fields_can_be_merged
from sqlalchemy.pool import QueuePool
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server
from uvicorn.supervisors.multiprocess import Process

from tests.library_seams import seams

EXPECTED = Path(__file__).with_name("library_seams.txt")

INTERNALS = [
    (HttpToolsProtocol, "cycle", "pipeline", "flow", "tasks", "connections", "parser", "headers", "_unset_keepalive_if_required"),
    (WebSocketsSansIOProtocol, "conn", "frames", "writable", "transport"),
    (Server, "_captured_signals"),
    (Process, "_server"),
    (broadcaster.Broadcast, "_subscribers", "_listener_task", "_backend"),
    (asyncpg.Connection, "_protocol", "_loop", "_addr", "_params", "_transport"),
    (Executor, "_relevant_sub_fields"),
    (QueuePool, "_do_get", "_do_return_conn"),
    (ExecutionContext, "_provided_operation_name"),
    (StrawberryObjectDefinition, "from_input"),
    (connect_utils, "_cancel"),
    (overlapping_fields_can_be_merged, "MAX_COMPLEXITY_BUDGET"),
]


def test_what_is_overridden_of_libraries_has_the_signatures_that_are_relied_on() -> None:
    found, expected = set(seams()), set(EXPECTED.read_text(encoding="utf-8").splitlines())
    assert found == expected, "look at these overrides, then run: python -m tests.library_seams > tests/unit/library_seams.txt"


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, *names in INTERNALS for name in names])
def test_an_internal_name_that_is_used_is_there(owner: Any, name: str) -> None:
    # Attributes of instances are set in methods: their names stand in the source of the class or of one that it is made from.
    owners = inspect.getmro(owner) if inspect.isclass(owner) else (owner,)
    sources = [inspect.getsource(one) for one in owners if one is not object and not _is_compiled(one)]
    assert hasattr(owner, name) or any(f"self.{name}" in source or f"{name}:" in source for source in sources)


def _is_compiled(owner: Any) -> bool:
    try:
        inspect.getsource(owner)
    except (OSError, TypeError):
        return True
    return False
