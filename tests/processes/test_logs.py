"""The logs of a service: JSON lines in production, one for each transfer, and no secrets."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.access.tokens import mint_token
from app.settings import Settings
from app.telemetry.privacy import fingerprint
from tests.bank import Bank, new_key
from tests.service_processes import SECRET, Running, running_service
from tests.waiting import wait_until

PAY = """mutation($key: String!, $from: ID!, $to: ID!, $amount: Decimal!, $words: String) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, description: $words,
    amount: {amount: $amount, currency: "USD"}
  }) { replayed transaction { id status } userErrors { code } }
}"""


@pytest.fixture
def running(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A service with the settings of the test's parameter."""
    with running_service(settings, tmp_path / "all.log", request.param) as running:
        yield running


async def send(running: Running, settings: Settings, bank: Bank) -> list[tuple[str, str, str | None, str | None, str]]:
    """Send transfers of every outcome; return each one's request id, outcome, code, transaction and key."""
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    token = mint_token("alice", settings.model_copy(update={"jwt_secret": SecretStr(SECRET)}))
    keys = [new_key() for _ in range(20)]
    # Completed, replayed, more than the balance, and a used key with another amount.
    payments = [(key, "1.00") for key in keys] + [(key, "1.00") for key in keys[:5]]
    payments += [(new_key(), "5000.00") for _ in range(3)] + [(keys[0], "2.00")]
    outcomes = []
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as http:
        for number, (key, amount) in enumerate(payments):
            variables = {"key": key, "from": mine, "to": theirs, "amount": amount, "words": "words-that-somebody-wrote"}
            headers = {"Authorization": f"Bearer {token}", "X-Request-Id": f"request-{number}"}
            answer = await http.post("/graphql", json={"query": PAY, "variables": variables}, headers=headers)
            payload = answer.json()["data"]["transfer"]
            transaction, errors = payload["transaction"], payload["userErrors"]
            outcome = "refused" if transaction is None else "replayed" if payload["replayed"] else transaction["status"].lower()
            code = errors[0]["code"] if errors else None
            outcomes.append((f"request-{number}", outcome, code, transaction and transaction["id"], fingerprint(key)))
    return outcomes


@pytest.mark.parametrize("running", [{"PAYCORE_LOG_FORMAT": "json", "PAYCORE_LOG_LEVEL": "info"}], indirect=True)
async def test_every_line_is_json_and_each_transfer_has_a_correct_one(running: Running, settings: Settings, bank: Bank) -> None:
    outcomes = await send(running, settings, bank)
    assert Counter(outcome for _, outcome, *_ in outcomes) == {"completed": 20, "replayed": 5, "failed": 3, "refused": 1}

    def transfer_lines() -> list[dict[str, Any]]:
        return [line for line in running.lines() if line["event"] == "transfer"]

    await asyncio.to_thread(wait_until, lambda: len(transfer_lines()) >= len(outcomes), 10)
    transfers = transfer_lines()
    assert sorted(outcomes, key=str) == sorted(
        [(line["request_id"], line["outcome"], line.get("code"), line.get("transaction"), line["key"]) for line in transfers],
        key=str,
    )
    for line in transfers:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
        assert line["user"].startswith("usr_")
        assert line["batch"] == 1
        assert line["waited_ms"] >= 0
        assert line["settled_ms"] > 0
    loggers = {line["logger"] for line in running.lines()}
    assert "uvicorn.access" not in loggers, "no line for each request"
    assert not any("color_message" in line for line in running.lines())
    assert {"app.processes.serving", "uvicorn.error", "app.processes.outbox_relay", "app.transfers"} <= loggers
    for secret in (SECRET, "words-that-somebody-wrote", "Bearer", "eyJ"):
        assert secret not in running.log.read_text(), secret


@pytest.mark.parametrize("running", [{"PAYCORE_LOG_LEVEL": "warning", "PAYCORE_WORKERS": "1"}], indirect=True)
async def test_transfers_are_not_logged_at_a_higher_level(running: Running, settings: Settings, bank: Bank) -> None:
    await send(running, settings, bank)
    assert "[app.transfers]" not in running.log.read_text()


@pytest.mark.parametrize("running", [{"PAYCORE_LOG_LEVEL": "info", "PAYCORE_WORKERS": "1"}], indirect=True)
async def test_a_text_log_has_one_line_per_event_whatever_was_sent(running: Running, settings: Settings, bank: Bank) -> None:
    outcomes = await send(running, settings, bank)
    await asyncio.to_thread(wait_until, lambda: running.log.read_text().count("outcome=") >= len(outcomes), 10)
    assert sum(" transfer " in line and "outcome=" in line for line in running.log.read_text().splitlines()) == len(outcomes)
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as http:
        await http.get("/wallets/x%0AERROR%20forged%1B%5B31m")
    assert not re.search(r"^ERROR|\x1b", running.log.read_text(), re.MULTILINE)


@pytest.mark.parametrize("running", [{"PAYCORE_LOG_FORMAT": "json", "PAYCORE_WORKERS": "1"}], indirect=True)
async def test_a_requests_log_lines_do_not_name_the_user_of_the_one_before_on_the_connection(
    running: Running, settings: Settings
) -> None:
    token = mint_token("alice", settings.model_copy(update={"jwt_secret": SecretStr(SECRET)}))
    body = json.dumps({"query": "{" + " ".join(f"unknown{number}" for number in range(50)) + "}"}).encode()

    def request(*headers: str) -> bytes:
        lines = "\r\n".join(("Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers))
        return f"POST /graphql HTTP/1.1\r\n{lines}\r\n\r\n".encode() + body

    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    # Sent together, so that the second starts in the context of the first.
    writer.write(request("X-Request-Id: first", f"Authorization: Bearer {token}"))
    writer.write(request("X-Request-Id: second", "Connection: close"))
    assert (await asyncio.wait_for(reader.read(), 20)).count(b"HTTP/1.1 200") == 2
    writer.close()

    def warnings() -> dict[str, dict[str, Any]]:
        return {line["request_id"]: line for line in running.lines() if "errors of one operation" in line["event"]}

    await asyncio.to_thread(wait_until, lambda: len(warnings()) == 2, 10)
    assert warnings()["first"]["user"].startswith("usr_")
    assert "user" not in warnings()["second"]
