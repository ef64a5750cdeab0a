"""Every example in the documentation runs, and the generated files are up to date."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from app.clock import rfc3339, system_clock
from app.db.engine import connect
from app.demo import seed
from app.demo.seed import USERS
from app.processes.statement_maker import StatementMaker
from app.schema.engine import build, documents, error_handling, limits, requests
from app.schema.engine.build import PaycoreSchema
from app.services.fx import factor_of, price_of_source, price_of_target
from app.services.projection import project_live
from app.settings import Settings
from docs import generate
from tests.api.conftest import Api
from tests.waiting import START_SECONDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
READING_TIME = (ROOT / "docs" / "reading-time.md").read_text(encoding="utf-8")
LEDGER = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
WEBHOOKS = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
STATEMENTS = (ROOT / "docs" / "statements.md").read_text(encoding="utf-8")
LIVE_UPDATES = (ROOT / "docs" / "live-updates.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, text: str = README) -> list[str]:
    """The code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def operation(name: str) -> str:
    """The README's GraphQL operation of that name."""
    (found,) = [block for block in blocks("graphql") if f" {name} " in block]
    return found


@pytest.fixture
async def demo_api(api: Api) -> Api:
    await seed.create_demo_data(api.settings)
    return api


async def test_the_readmes_mutation_pays_bob_once_and_its_subscription_shows_it(demo_api: Api) -> None:
    async with demo_api.socket("bob") as socket:
        await socket.subscribe("1", operation("WatchBob"))
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        first = (await demo_api.data("alice", operation("PayBob")))["transfer"]
        update = (await socket.data("1"))["walletUpdated"]
    again = (await demo_api.data("alice", operation("PayBob")))["transfer"]
    assert (first["replayed"], first["transaction"]["status"], first["userErrors"]) == (False, "COMPLETED", [])
    assert again["replayed"]
    assert update["entry"]["amount"]["amount"] == "4.50"


async def test_the_readmes_curl_command_works_unchanged(demo_api: Api) -> None:
    (command,) = [block for block in blocks("sh") if "curl" in block]
    command = command.replace("http://127.0.0.1:8000", demo_api.url).replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    output, _ = await process.communicate()
    assert json.loads(output)["transaction"]["status"] == "COMPLETED"


async def test_the_subscription_in_the_page_on_live_updates_resumes_from_its_cursor(demo_api: Api) -> None:
    (document,) = blocks("graphql", LIVE_UPDATES)
    wallet = USERS[1].wallets[0].public_id
    async with demo_api.socket("bob") as socket:
        await socket.subscribe("1", document, wallet=wallet)
        snapshot = (await socket.data("1"))["walletUpdated"]
        await demo_api.data("alice", operation("PayBob"))
        assert (await socket.data("1"))["walletUpdated"]["entry"]["amount"]["amount"] == "4.50"
        await socket.subscribe("2", document, wallet=wallet, after=snapshot["cursor"])
        assert [(await socket.data("2"))["walletUpdated"]["kind"] for _ in range(2)] == ["ENTRY", "SNAPSHOT"]


async def test_the_posting_in_the_page_on_the_ledger_has_the_entries_of_its_table(demo_api: Api) -> None:
    document = blocks("graphql", LEDGER)[0]
    opened = await demo_api.data(
        "admin",
        """
        mutation { openSystemWallet(
            input: {currency: "USD", purpose: "FEES", accountType: INCOME, name: "Fees", reason: "docs"}
        ) { wallet { id } } }
        """,
    )
    answer = await demo_api.data(
        "admin",
        document,
        alice=USERS[0].wallets[0].public_id,
        bob=USERS[1].wallets[0].public_id,
        fees=opened["openSystemWallet"]["wallet"]["id"],
    )
    posted = answer["postTransaction"]
    assert (posted["userErrors"], posted["transaction"]["status"]) == ([], "COMPLETED")
    assert entries_of(posted["transaction"]) == entries_of_tables()[:3]


async def test_the_hold_in_the_page_on_the_ledger_is_placed_and_captured_as_it_says(demo_api: Api) -> None:
    place, capture = blocks("graphql", LEDGER)[4:6]
    alice, bob = (USERS[number].wallets[0].public_id for number in (0, 1))
    placed = (await demo_api.data("alice", place, alice=alice, bob=bob))["placeHold"]
    assert (placed["userErrors"], placed["hold"]["status"]) == ([], "OPEN")
    captured = (await demo_api.data("bob", capture, hold=placed["hold"]["id"]))["captureHold"]
    assert captured["userErrors"] == []
    assert captured["hold"] == {"status": "CAPTURED", "captured": {"amount": "48.50"}, "released": {"amount": "11.50"}}
    assert captured["transaction"]["hold"]["id"] == placed["hold"]["id"]


async def test_the_page_on_statements_makes_one_that_it_reads(demo_api: Api) -> None:
    make, read = blocks("graphql", STATEMENTS)
    wallet, end = USERS[0].wallets[0].public_id, rfc3339(system_clock() - timedelta(seconds=11))
    given = {"wallet": wallet, "from": "2000-01-01T00:00:00Z", "to": end}
    made = (await demo_api.data("alice", make, **given))["createStatement"]
    assert (made["userErrors"], made["statement"]["status"]) == ([], "PREPARING")
    await StatementMaker(demo_api.services.engine, system_clock).make_next(asyncio.Event())
    found = (await demo_api.data("alice", read, id=made["statement"]["id"]))["node"]
    assert (found["status"], len(found["files"])) == ("READY", 5)
    assert found["download"]["sha256"] == next(one["sha256"] for one in found["files"] if one["format"] == "CAMT_053")


async def test_the_page_on_webhooks_creates_an_endpoint(demo_api: Api) -> None:
    (create,) = blocks("graphql", WEBHOOKS)
    variables = json.dumps({"w": USERS[1].wallets[0].public_id})
    created = (await demo_api.data("bob", create, variables=variables))["createWebhookEndpoint"]
    assert created["userErrors"] == []
    assert created["secret"].startswith("whsec_")


async def test_the_page_on_reading_time_asks_for_balances_and_finds_a_payment(demo_api: Api) -> None:
    then, days, find = blocks("graphql", READING_TIME)
    wallet = USERS[0].wallets[0].public_id
    connection = await connect(demo_api.settings)
    async with asyncio.timeout(START_SECONDS):
        while not await project_live(connection) or await connection.fetch("SELECT FROM outbox LIMIT 1"):  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.05)
    while await project_live(connection):
        pass
    await connection.close()
    now = system_clock()
    moment, month = (rfc3339(now - timedelta(days=ago)) for ago in (1, 30))
    point = (await demo_api.data("alice", then, wallet=wallet, at=moment))["wallet"]["balanceAt"]
    assert int(point["sequence"]) > 0
    found = await demo_api.data("alice", days, wallet=wallet, **{"from": month, "to": moment})
    periods = found["wallet"]["balances"]
    assert len(periods) in (30, 31)
    assert all(one["closing"] == other["opening"] for one, other in pairwise(periods))
    activity = (await demo_api.data("alice", find))["viewer"]["activity"]
    assert activity["edges"]
    assert all("coffee" in str(edge["node"]).lower() for edge in activity["edges"])
    assert activity["readPosition"]["lagSeconds"] == 0


async def test_the_conversion_in_the_page_on_the_ledger_exchanges_what_its_table_says(demo_api: Api) -> None:
    set_rate, ask, take = blocks("graphql", LEDGER)[6:]
    assert (await demo_api.data("admin", set_rate))["setFxRate"]["userErrors"] == []
    asked = (await demo_api.data("alice", ask))["createFxQuote"]
    assert asked["userErrors"] == []
    dollars, euros = (USERS[0].wallets[number].public_id for number in (0, 1))
    taken = await demo_api.data("alice", take, quote=asked["quote"]["id"], dollars=dollars, euros=euros)
    assert taken["convert"]["userErrors"] == []
    query = "query($key: String!) { transactionByIdempotencyKey(idempotencyKey: $key) { id } }"
    found = (await demo_api.data("alice", query, key="trip-1-go"))["transactionByIdempotencyKey"]
    query = "query($id: ID!) { transaction(id: $id) { entries { direction purpose amount { amount } } } }"
    assert entries_of((await demo_api.data("admin", query, id=found["id"]))["transaction"]) == entries_of_tables()[11:]


_AMOUNT = r"([0-9.]+|nothing) ([A-Z]{3})"
_PRICE = rf"^\| (source|target) \| {_AMOUNT} \| ([0-9.]+) \| (\d+) \| ([0-9.]+) \| {_AMOUNT} \| ([0-9.]*)"


def test_the_prices_in_the_page_on_the_ledger_are_what_the_service_computes() -> None:
    exponents = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
    rows = re.findall(_PRICE, LEDGER, re.MULTILINE)
    assert len(rows) == 6
    for fixed, sold, source, rate, points, spread, bought, target, residue in rows:

        def minor(text: str, code: str) -> int:
            return int(Decimal(text.replace("nothing", "0") or "0").scaleb(exponents[code]))

        factor = factor_of(Decimal(rate), exponents[source], exponents[target])
        written = minor(sold, source), minor(bought, target), minor(spread, source), minor(residue, target)
        if fixed == "source":
            assert price_of_source(written[0], factor, int(points)) == written
        else:
            assert price_of_target(written[1], factor, int(points)) == written


def entries_of(transaction: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(entry["direction"], entry["amount"]["amount"], entry["purpose"]) for entry in transaction["entries"]]


def entries_of_tables() -> list[tuple[str, str, str]]:
    """Direction, amount and purpose of each row in the tables of legs."""
    rows = re.findall(r"^\| \d \| [^|]+ \| (-?)([0-9.]+) \| (\w+) \|$", LEDGER, re.MULTILINE)
    assert len(rows) == 16
    return [("DEBIT" if sign else "CREDIT", amount, purpose) for sign, amount, purpose in rows]


async def test_the_fee_in_the_page_on_the_ledger_is_charged_and_given_back_as_its_tables_say(demo_api: Api) -> None:
    _, publish, pay, give_back, *_ = blocks("graphql", LEDGER)
    assert (await demo_api.data("admin", publish))["publishFeeSchedule"]["userErrors"] == []
    alice, bob = (USERS[number].wallets[0].public_id for number in (0, 1))
    answer = (await demo_api.data("alice", pay, alice=alice, bob=bob))["transfer"]
    assert answer["userErrors"] == []
    (fee,) = answer["transaction"]["fees"]
    assert f"The explanation is `{fee['explanation']}`." in LEDGER
    query = "query($key: String!) { transactionByIdempotencyKey(idempotencyKey: $key) { id } }"
    found = (await demo_api.data("alice", query, key="order-1042"))["transactionByIdempotencyKey"]
    query = "query($id: ID!) { transaction(id: $id) { entries { direction purpose amount { amount } } } }"
    shown = (await demo_api.data("admin", query, id=found["id"]))["transaction"]
    assert entries_of(shown) == entries_of_tables()[3:7]
    back = (await demo_api.data("bob", give_back, paid=found["id"]))["reverseTransaction"]
    assert back["userErrors"] == []
    assert (back["original"]["reversed"]["amount"], back["original"]["reversible"]["amount"]) == ("3.33", "6.67")
    entries = "entries { direction purpose amount { amount } }"
    query = f"query($id: ID!) {{ transaction(id: $id) {{ reversals {{ edges {{ node {{ {entries} }} }} }} }} }}"
    (edge,) = (await demo_api.data("admin", query, id=found["id"]))["transaction"]["reversals"]["edges"]
    assert entries_of(edge["node"]) == entries_of_tables()[7:11]
    query = "query($id: ID!) { transaction(id: $id) { fees { reversed { amount } } } }"
    assert (await demo_api.data("alice", query, id=found["id"]))["transaction"]["fees"] == [{"reversed": {"amount": "0.19"}}]


async def test_the_event_stream_in_the_page_on_live_updates_starts_with_a_snapshot(demo_api: Api) -> None:
    (command,) = [block for block in blocks("sh", LIVE_UPDATES) if "curl" in block]
    command = command.replace("http://127.0.0.1:8000", demo_api.url).replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"exec {command}", stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert (await process.stdout.readline()).strip() == b"event: next"
            event = json.loads((await process.stdout.readline()).removeprefix(b"data: "))
    finally:
        process.kill()
        await process.wait()
    assert event["data"]["walletUpdated"]["kind"] == "SNAPSHOT"


def test_the_readme_lists_the_demos_fixed_ids() -> None:
    for user in USERS:
        (row,) = [line for line in README.splitlines() if line.startswith(f"| `{user.subject}` |")]
        for wallet in user.wallets:
            assert f"`{wallet.public_id}` {wallet.currency}" in row


def test_every_example_is_tested() -> None:
    known = {"PayBob", "WatchBob"}
    named = {name for block in blocks("graphql") for name in re.findall(r"(?:query|mutation|subscription) (\w+)", block)}
    assert named == known
    commands = [line for block in blocks("sh") for line in block.splitlines() if not line.startswith((" ", "#"))]
    # CI and tests/processes/test_dev.py run `make run` and `make test`.
    assert [command.split()[0:2] for command in commands] == [["make", "run"], ["curl", "-s"], ["make", "test"]]
    elsewhere = {
        document.name: len(blocks("graphql", text)) + text.count("curl ")
        for document in DOCUMENTS[3:]
        if blocks("graphql", text := document.read_text(encoding="utf-8")) or "curl " in text
    }
    # The runbook's command needs a cluster.
    assert elsewhere == {
        "ledger.md": 9, "live-updates.md": 2, "reading-time.md": 3, "runbook.md": 1, "statements.md": 3, "webhooks.md": 1,
    }  # fmt: skip
    pages = {path.name for path in DOCUMENTS if blocks("(?:html|js)", path.read_text(encoding="utf-8"))}
    assert pages == {"tutorial.md"}, "tests/browser/test_tutorial.py runs the tutorial's"


def test_the_operations_in_the_tutorials_javascript_fit_the_schema() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    scripts = "".join(blocks("js", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")))
    operations = re.findall(r"= `((?:query|mutation|subscription) [^`]*)`", scripts)
    assert len(operations) == 3
    assert [error.message for text in operations for error in validate(schema, parse(text))] == []


def test_every_link_between_documents_has_a_target() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_index_links_every_page_in_the_order_of_the_kinds() -> None:
    index = ROOT / "docs" / "README.md"
    text = index.read_text(encoding="utf-8")
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\((?!https?://)([^)#]+)", text)}
    pages = {path for path in DOCUMENTS[3:] if path != index and not path.name[:4].isdigit()}
    assert pages <= linked
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Quickstart", "Tutorial", "How-to guides", "Explanation", "Reference"]


def test_every_test_and_module_that_the_documents_name_exists() -> None:
    for document in DOCUMENTS:
        for path in re.findall(r"`((?:app|tests|docs|bench|migrations|deploy)/[\w./-]+)`", document.read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), f"{document.name}: {path}"


def test_every_setting_that_the_documents_name_exists() -> None:
    known = {f"PAYCORE_{name.upper()}" for name in Settings.model_fields}
    for document in DOCUMENTS:
        # Only the tests read PAYCORE_TEST_….
        named = set(re.findall(r"PAYCORE_(?!TEST_)[A-Z][A-Z_]+[A-Z]", document.read_text(encoding="utf-8")))
        # compose.yaml passes the first one in a URL; the second one is an option of commands.
        named -= {"PAYCORE_SERVICE_PASSWORD", "PAYCORE_TOKEN"}
        assert {name if name in known else name.removesuffix("_FILE") for name in named} <= known, document.name


def test_the_guide_states_the_numbers_of_the_fixed_limits() -> None:
    guide = (ROOT / "docs/howto/harden-graphql.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in guide.splitlines() if line.startswith("|"))
    for limit in (limits.MAX_ALIASES, limits.MAX_DIRECTIVES, limits.MAX_FIELDS, limits.MAX_ROOT_FIELDS,
                  limits.MAX_INTROSPECTION_DEPTH, documents.MAX_LENGTH, documents.MAX_TOKENS, requests.MAX_VARIABLES_BYTES,
                  requests.MAX_ANONYMOUS_BYTES, build.MAX_SUBSCRIPTION_VARIABLES_BYTES, PaycoreSchema.max_answer_bytes,
                  error_handling.MAX_ERRORS):  # fmt: skip
        assert re.search(rf": {limit:,}\b", table), limit


def test_the_generated_files_are_up_to_date() -> None:
    for path, fresh in generate.generated().items():
        assert path.read_text(encoding="utf-8") == fresh, "run `make generate`"
