"""The API passes the audit of graphql-http, which checks the GraphQL over HTTP specification."""

from __future__ import annotations

import asyncio
import json

from app.http.dashboard import FRONTEND
from tests.api.conftest import Api
from tests.node import ready_node

AUDITS = 61


async def test_the_audit_of_graphql_http_finds_no_fault(api: Api) -> None:
    node = ready_node()
    process = await asyncio.create_subprocess_exec(
        node.executable, FRONTEND / "tests" / "audit.mjs", f"{api.url}/graphql", cwd=FRONTEND, env=node.environment(),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    results = [json.loads(line) for line in output.splitlines()]
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) >= AUDITS
