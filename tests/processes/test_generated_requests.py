"""Requests that Schemathesis generates from the schemas: every error has a code and none is an internal fault."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLSchema,
    NameNode,
    OperationDefinitionNode,
    VariableNode,
    build_schema,
    parse,
    print_ast,
    value_from_ast_untyped,
)
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from schemathesis.core.result import Ok

from app.access.tokens import mint_token
from app.settings import Settings
from tests.forks import EXECUTABLE, start
from tests.processes.test_cli import paycore, servers_of
from tests.waiting import START_SECONDS, wait_until

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
EXAMPLES = 500
REST_EXAMPLES = 50
"""Random requests of each operation. A number, not a time: a busy machine sends as many."""
REST_CASES = 700
"""The minimum: the coverage phase tries every parameter in many wrong forms before the random ones."""
CODES = {"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "RATE_LIMITED", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED",
         "QUERY_TOO_COMPLEX", "MORE_ERRORS", "ANSWER_INCOMPLETE"}  # fmt: skip
"""The codes that are no fault. INTERNAL is one, and so are UNAVAILABLE and TIMEOUT while the servers run."""
_TEXT = st.text(max_size=40) | st.sampled_from(
    ["12.34", "0.001", "-1", "1e3", "NaN", "9" * 30, "USD", "JPY", "XXX", "2026-01-01T00:00:00Z",
     "wal_01jgfjjz00e00800000000000h", "wal_01jgfjjz00e008000000000011", "txn_01jgfjjz00e008000000000011"]
)  # fmt: skip
SCALARS = {name: _TEXT.map(nodes.String) for name in ("Decimal", "DateTime", "CurrencyCode", "BigInt")}


@pytest.fixture(scope="module")
def scalars() -> None:
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)


@pytest.fixture
def settings(seeded_settings: Settings) -> Settings:
    return seeded_settings


@pytest.fixture
def service(settings: Settings, free_port: int, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    log = tmp_path / "serve.log"
    environment = {**servers_of(settings), "PAYCORE_PORT": str(free_port)}
    with log.open("wb") as output:
        process = start("serve", environment=environment, output=output)
    url = f"http://127.0.0.1:{free_port}"
    try:
        assert wait_until(lambda: _answers(url), seconds=START_SECONDS)
        yield url, log
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def codes_of(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", [])}


def with_variables(document: str, schema: GraphQLSchema) -> dict[str, Any]:
    """The operation with the arguments of its root fields as variables."""
    (operation,) = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    declared: list[str] = []
    variables: dict[str, Any] = {}

    def lifted(field: FieldNode, argument: ArgumentNode) -> ArgumentNode:
        name = f"v{len(declared)}"
        declared.append(f"${name}: {root.fields[field.name.value].args[argument.name.value].type}")
        variables[name] = value_from_ast_untyped(argument.value)
        return replace(argument, value=VariableNode(name=NameNode(value=name)))

    fields = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    lifted_fields = [replace(field, arguments=tuple(lifted(field, one) for one in field.arguments or ())) for field in fields]
    head = f"{operation.operation.value}({', '.join(declared)})" if declared else operation.operation.value
    return {"query": f"{head} {{ {' '.join(map(print_ast, lifted_fields))} }}", "variables": variables}


@pytest.mark.heavy
@pytest.mark.parametrize("subject", ["admin", "alice"])
def test_generated_operations_get_answers_with_known_codes(
    service: tuple[str, Path], settings: Settings, scalars: None, subject: str
) -> None:
    url, log = service
    token = mint_token(subject, settings, role="admin" if subject == "admin" else None)
    schema = schemathesis.graphql.from_path(SCHEMA)
    strategies = [operation.ok().as_strategy() for operation in schema.get_all_operations() if isinstance(operation, Ok)]
    assert len(strategies) > 15
    known, sent = build_schema(SCHEMA.read_text()), Counter[bool]()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as http:

        @seed(20261123)
        @hypothesis_settings(max_examples=EXAMPLES // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.one_of(strategies), st.booleans())
        def check(case: Any, by_variables: bool) -> None:
            body = with_variables(case.body, known) if by_variables else {"query": case.body}
            sent[bool(body.get("variables"))] += 1
            response = http.post(f"{url}/graphql", json=body)
            assert response.status_code == 200
            assert codes_of(response.json()) <= CODES, body

        check()
    assert min(sent[True], sent[False]) > EXAMPLES // 8, "some with their values in the text, some with variables"
    assert "Traceback" not in log.read_text()
    assert paycore("verify", settings=settings).stdout == "The ledger is whole.\n"


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_generated_rest_requests_get_answers_that_openapi_describes(
    service: tuple[str, Path], settings: Settings, tmp_path: Path
) -> None:
    url, log = service
    token = mint_token("alice", settings)
    finished = subprocess.run(
        [
            EXECUTABLE.with_name("schemathesis"), "run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {token}",
            "--max-examples", str(REST_EXAMPLES), "--phases", "coverage,fuzzing", "--checks", "all",
            # A broken rule (an unknown currency) is 400 too, which the schema cannot describe.
            "--exclude-checks", "positive_data_acceptance", "--warnings", "off", "--no-color",
        ],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=540,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-3000:]
    cases = re.search(r"(\d+) generated", finished.stdout)
    assert cases is not None, finished.stdout[-3000:]
    assert int(cases[1]) >= REST_CASES
    assert "Traceback" not in log.read_text()
