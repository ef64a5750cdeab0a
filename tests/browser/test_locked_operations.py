"""The dashboard on a service that runs only the operations in the dashboard's list: every page still works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import running_service
from tests.browser.service import ALICE, BOB, Service, is_live, sign_in

LIST = Path(__file__).parents[2] / "frontend-demo" / "operations.json"
REFUSED = "OPERATION_NOT_ALLOWED"


@pytest.fixture(scope="module")
def service(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    locked = {"PAYCORE_PERSISTED_OPERATIONS": "only", "PAYCORE_PERSISTED_OPERATIONS_FILE": str(LIST)}
    with running_service(tmp_path_factory.mktemp("locked"), seeded_home, **locked) as running:
        yield running


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page. The test fails if the service refuses one of its operations, over HTTP or over a WebSocket."""
    refused: list[str] = []
    opened = context.new_page()
    opened.on("response", lambda answer: refused.append(answer.request.post_data or "") if answer.status == 403 else None)

    def record_refusal(text: str | bytes) -> None:
        if REFUSED in str(text):
            refused.append(str(text))

    opened.on("websocket", lambda socket: socket.on("framereceived", record_refusal))
    yield opened
    assert refused == []


def test_every_page_sends_only_operations_in_the_list(page: Page, service: Service) -> None:
    stranger = httpx.post(f"{service.url}/graphql", json={"query": "{ viewer { id } }"})
    assert stranger.json()["errors"][0]["extensions"]["code"] == REFUSED
    alices = ALICE.wallets[0].public_id
    page.goto("/")
    alice = page.get_by_label("Alice Ahlgren's phone")
    expect(alice.get_by_label("Connection: Live")).to_be_visible()
    alice.get_by_role("button", name="$1.00", exact=True).click()
    alice.get_by_role("button", name="Send $1.00 to Bob").click()
    newest = page.get_by_label("Bob Baker's latest entries").get_by_role("listitem").first
    expect(newest).to_contain_text(re.compile(r"\+\$1\.00.*\d+ ms", re.DOTALL))
    sign_in(page, "Alice Ahlgren")
    page.goto("/wallets")
    expect(page.get_by_role("heading", name="Alice Ahlgren’s wallets")).to_be_visible()
    page.goto(f"/wallets/{alices}")
    is_live(page)
    page.get_by_label("Pages").get_by_role("link", name="Send").click()
    page.get_by_label("From").select_option(value=alices)
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(BOB.wallets[0].public_id)
    page.get_by_role("button", name="Yes, send to Bob Baker").click()
    page.get_by_label("Amount").fill("1.11")
    page.get_by_role("button", name="Send $1.11").click()
    expect(page.get_by_label("This payment")).to_contain_text("1.11")
    page.goto("/break")
    one_key = page.get_by_role("region", name="One key, fifty sends")
    one_key.get_by_role("button", name="Send it 50 times").click()
    expect(one_key.locator(".verdict-good")).to_contain_text("1 transaction.", timeout=30_000)
    sign_in(page, "Paycore Support")
    page.goto("/control")
    expect(page.get_by_text("USD").first).to_be_visible()
