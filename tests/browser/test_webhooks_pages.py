"""Webhook endpoints: created, tried with the demo's receiver, watched, paused, disabled and enabled again."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import BOB, CAROL, MERCHANT, Service, open_as

_CREATE = """mutation($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { endpoint { id } userErrors { code message } }
}"""
_WALLET = "subscription ($w: ID!) { walletUpdated(walletId: $w) { entry { sequence } } }"


def create(service: Service, subject: str, wallet: str) -> str:
    """An endpoint that sends the wallet's entries to its owner's receiver. Returns the path of its page."""
    wanted = {
        "idempotencyKey": str(uuid4()),
        "url": f"{service.url}/demo/receiver/{subject}",
        "document": _WALLET,
        "variables": json.dumps({"w": wallet}),
    }
    created = service.ask(subject, _CREATE, input=wanted)["createWebhookEndpoint"]
    assert created["userErrors"] == []
    return f"/webhooks/{created['endpoint']['id']}"


def answer(service: Service, subject: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {service.token(subject)}"}
    httpx.put(f"{service.url}/demo/receiver", json={"answer": status}, headers=headers).raise_for_status()


def newest(page: Page) -> Locator:
    return page.get_by_role("list", name="Deliveries, newest first").get_by_role("listitem").first


def test_an_endpoint_is_created_and_a_payment_is_delivered_while_the_page_is_open(page: Page, service: Service) -> None:
    open_as(page, "Bob Baker", "/wallets")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("button", name="New endpoint").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("URL")).to_be_focused()
    dialog.get_by_role("button", name="Create it").click()
    expect(dialog.get_by_text("Where should the events go?")).to_be_visible()
    dialog.get_by_role("button", name="Use the demo’s receiver").click()
    document = dialog.get_by_label("Subscription")
    whole = document.input_value()
    document.fill("subscription { no }")
    dialog.get_by_role("button", name="Create it").click()
    expect(dialog.locator("#webhook-document-problem")).to_be_visible()
    expect(document).to_be_focused()
    assert violations_in_both_schemes(page) == []
    document.fill(whole)
    expect(dialog.get_by_label("Variables")).to_have_value(re.compile("wal_"))
    dialog.get_by_label("Variables").fill(json.dumps({"wallet": BOB.wallets[0].public_id}))
    dialog.get_by_role("button", name="Create it").click()
    expect(page).to_have_url(re.compile("/webhooks/whe_"))
    secret = page.get_by_role("group", name="The new secret")
    expect(secret).to_contain_text(re.compile("whsec_.{40}"))
    service.pay("bob", BOB.wallets[0].public_id, CAROL.wallets[0].public_id, "1.07")
    expect(newest(page)).to_contain_text("Delivered", timeout=30_000)
    newest(page).locator("summary").click()
    expect(newest(page)).to_contain_text("1.07")
    expect(newest(page).get_by_role("list", name="Attempts")).to_contain_text(re.compile(r"200 in \d+ ms"))
    receiver = page.get_by_role("region", name="The demo’s receiver")
    expect(receiver.get_by_text("Signature verified").first).to_be_visible()
    assert violations_in_both_schemes(page) == []
    secret.get_by_role("button", name="I have stored it").click()
    expect(secret).to_have_count(0)
    page.reload()
    expect(newest(page)).to_be_visible()
    expect(secret).to_have_count(0)


def test_an_endpoint_is_paused_and_resumed_and_gets_a_new_secret(page: Page, service: Service) -> None:
    open_as(page, "Carol Castillo", create(service, "carol", CAROL.wallets[0].public_id))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("It is paused")).to_be_visible()
    service.pay("bob", BOB.wallets[0].public_id, CAROL.wallets[0].public_id, "1.08")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("It is paused")).to_have_count(0)
    expect(newest(page)).to_contain_text("Delivered", timeout=30_000)
    page.get_by_role("button", name="New secret…").click()
    page.get_by_label("The old ones still sign for").select_option(label="an hour")
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_role("group", name="The new secret")).to_contain_text("whsec_")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test was accepted with 200.")).to_be_visible()
    receiver = page.get_by_role("region", name="The demo’s receiver")
    expect(receiver.get_by_role("listitem").first).to_contain_text("Signature verified")
    page.get_by_role("button", name="Send again since…").click()
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_text(re.compile(r"\d+ deliver(y is|ies are) sent again\."))).to_be_visible()


def test_what_fails_is_shown_and_410_disables_until_it_is_enabled_again(page: Page, service: Service) -> None:
    path = create(service, "merchant", MERCHANT.wallets[0].public_id)
    open_as(page, "Blue Door Books", path)
    answers = page.get_by_label("It answers with")
    answers.select_option("500")
    service.pay("merchant", MERCHANT.wallets[0].public_id, CAROL.wallets[0].public_id, "1.09")
    expect(newest(page)).to_contain_text("To be sent again", timeout=30_000)
    expect(newest(page)).to_contain_text(re.compile(r"500 in \d+ ms"))
    answers.select_option("410")
    newest(page).locator("summary").click()
    newest(page).get_by_role("button", name="Send it again").click()
    alert = page.get_by_role("alert").filter(has_text="It is disabled")
    expect(alert).to_be_visible(timeout=30_000)
    assert violations_in_both_schemes(page) == []
    page.get_by_role("link", name="Webhooks").first.click()
    expect(page.get_by_role("link", name=re.compile("Disabled: it failed")).first).to_be_visible()
    page.go_back()
    answers.select_option("200")
    alert.get_by_role("button", name="Enable it again").click()
    expect(alert).to_have_count(0)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test was accepted with 200.")).to_be_visible()


def test_an_endpoint_is_deleted_after_a_confirmation(page: Page, service: Service) -> None:
    path = create(service, "carol", CAROL.wallets[1].public_id)
    open_as(page, "Carol Castillo", path)
    page.get_by_role("button", name="Delete…").click()
    assert violations_in_both_schemes(page) == []
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page).to_have_url(re.compile("/webhooks$"))
    expect(page.locator(f'a[href="{path}"]')).to_have_count(0)
    page.goto(path)
    expect(page.get_by_role("heading", name="There is no such endpoint")).to_be_visible()


def test_a_parked_event_is_shown_above_all_others(page: Page, service: Service) -> None:
    path = create(service, "merchant", MERCHANT.wallets[0].public_id)
    answer(service, "merchant", 500)
    open_as(page, "Blue Door Books", path)
    service.pay("merchant", MERCHANT.wallets[0].public_id, CAROL.wallets[0].public_id, "1.10")
    expect(newest(page)).to_contain_text("To be sent again", timeout=30_000)

    def after_the_last_attempt(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, body=re.sub(r'"nextAttemptAt":\s*"[^"]+"', '"nextAttemptAt":null', found.text()))

    page.route("**/graphql", after_the_last_attempt)
    expect(page.get_by_role("alert").filter(has_text="An event is parked")).to_contain_text("Later events of its wallet wait")
    parked = page.get_by_role("list", name="Parked deliveries")
    expect(parked.get_by_role("listitem").first).to_contain_text("Parked")
    assert violations_in_both_schemes(page) == []
    page.unroute_all(behavior="ignoreErrors")
    answer(service, "merchant", 200)


def test_the_palette_opens_the_page_and_another_users_endpoint_does_not_exist(page: Page, service: Service) -> None:
    path = create(service, "merchant", MERCHANT.wallets[0].public_id)
    open_as(page, "Carol Castillo", "/wallets")
    expect(page.get_by_role("heading", name="Carol Castillo’s wallets")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("A page, a person, an id or a key")).to_be_focused()
    page.keyboard.type("webhooks")
    expect(page.get_by_role("option", name="Webhooks", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/webhooks$"))
    page.goto(path)
    expect(page.get_by_role("heading", name="There is no such endpoint")).to_be_visible()
