"""The receipt on a transaction's page: it becomes ready by itself, the browser verifies it, and its QR code can be read."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.demo.node import find_node
from app.http.dashboard import FRONTEND
from app.services.receipts import notes, verifier
from app.settings import DEMO_LOG_KEY
from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import ALICE, BOB, Service, open_as

KEY = str(notes.parse_signer(DEMO_LOG_KEY).verifier)
_PIXELS = """async (picture) => {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return { width: canvas.width, bytes: btoa(text) };
}"""


def open_receipt(page: Page, service: Service) -> tuple[str, Locator]:
    """Pay, and open the page of the payment as its sender. Returns the transaction's id and the receipt's card."""
    transaction = service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "2.50")
    open_as(page, "Alice Ahlgren", f"/transactions/{transaction}")
    return transaction, page.get_by_role("region", name="Receipt")


def verify(card: Locator) -> None:
    card.get_by_role("button", name="Verify in this browser").click()


def test_a_receipt_becomes_ready_and_is_verified_step_by_step_in_the_browser(page: Page, service: Service) -> None:
    _, card = open_receipt(page, service)
    # The log signs every five seconds, which may be before a busy machine shows the page.
    waits = card.get_by_text(re.compile("waits for the next checkpoint|not in the log yet"))
    expect(waits.or_(card.get_by_role("button", name="Verify in this browser"))).to_be_visible()
    expect(card.get_by_role("button", name="Verify in this browser")).to_be_visible(timeout=30_000)
    expect(card.get_by_label("The log’s public key")).to_have_value(KEY)
    verify(card)
    expect(card.locator(".proof-step-good")).to_have_count(4)
    expect(card.get_by_role("status").filter(has_text="The receipt is valid, and this page says the same")).to_be_visible()
    card.get_by_text("Each field", exact=True).click()
    expect(card.get_by_role("term").filter(has_text="idempotency key")).to_be_visible()
    assert violations_in_both_schemes(page) == []


def test_the_downloaded_receipt_and_the_one_in_the_qr_code_verify_with_the_command(page: Page, service: Service) -> None:
    transaction, card = open_receipt(page, service)
    with page.expect_download() as download:
        card.get_by_role("button", name="Download").click(timeout=30_000)
    assert download.value.suggested_filename == f"{transaction}.tlog-proof"
    file = Path(download.value.path())
    command = [str(Path(sys.executable).parent / "paycore"), "receipt", "verify", str(file), "--key", KEY]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert '"amount": 250' in run.stdout
    code = card.get_by_role("button", name="QR code")
    code.click()
    picture = card.get_by_role("img", name="QR code of the receipt")
    found = verifier.check(_read_qr(page, picture.screenshot()), KEY)
    whole = verifier.check(file.read_text(encoding="utf-8"), KEY)
    assert whole["request"]["idempotency_key"] != ""
    assert len(whole["entries"]) == 1
    assert found == {name: value for name, value in whole.items() if name not in ("words", "request")} | {"entries": []}
    assert violations_in_both_schemes(page) == []
    code.click()
    expect(picture).to_have_count(0)


def _read_qr(page: Page, picture: bytes) -> str:
    pixels = page.evaluate(_PIXELS, f"data:image/png;base64,{base64.b64encode(picture).decode()}")
    command = [str(find_node().executable), str(FRONTEND / "tests" / "receipts" / "read-qr.mjs"), str(pixels["width"])]
    return subprocess.run(command, input=base64.b64decode(pixels["bytes"]), check=True, capture_output=True).stdout.decode()


def test_a_receipt_is_not_valid_with_another_key_and_a_page_that_says_something_else_is_found_out(
    page: Page, service: Service
) -> None:
    transaction = service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "2.50")

    def answer_falsely(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('"2.50"', '"2500.00"'))

    page.route("**/graphql", answer_falsely)
    open_as(page, "Alice Ahlgren", f"/transactions/{transaction}")
    card = page.get_by_role("region", name="Receipt")
    expect(card.get_by_role("button", name="Verify in this browser")).to_be_visible(timeout=30_000)
    verify(card)
    alert = card.get_by_role("alert")
    expect(alert).to_contain_text("The receipt is valid, but this page says something else")
    expect(alert).to_contain_text("amount: the receipt proves 2.50 USD, the service says 2500.00 USD")
    card.get_by_label("The log’s public key").fill(str(notes.new_signer("paycore.example/demo").verifier))
    verify(card)
    expect(alert).to_contain_text("The receipt is not valid")
    expect(card.locator(".proof-step-good")).to_have_count(3)
    expect(card.locator(".proof-step-bad")).to_contain_text("the checkpoint is not signed with this key")


@pytest.mark.usefixtures("own_window")
def test_a_browser_without_ed25519_says_so_and_does_not_call_the_receipt_wrong(page: Page, service: Service) -> None:
    page.add_init_script(
        "SubtleCrypto.prototype.importKey = () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'))"
    )
    _, card = open_receipt(page, service)
    expect(card.get_by_role("button", name="Verify in this browser")).to_be_visible(timeout=30_000)
    verify(card)
    expect(card.get_by_role("alert")).to_contain_text("This browser cannot check the receipt.")
    expect(card.get_by_role("alert")).to_contain_text("the browser has no Ed25519. That says nothing about the receipt.")
    expect(card.locator(".proof-step-bad")).to_have_count(0)
    expect(card.locator(".proof-step-good")).to_have_count(3)
