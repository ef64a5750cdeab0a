"""Statements through GraphQL and REST, made by a worker: files that parse back to the ledger, and who gets them."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app import ids
from app.clock import rfc3339, system_clock
from app.db.engine import create_engine, dispose
from app.db.pool import Database
from app.processes.statement_maker import StatementMaker
from app.records import ReversalReason
from app.services.reversals import ReversalInput, reverse_transaction
from app.services.transfers import TransferInput, transfer
from app.settings import Settings
from app.texts import normal
from tests.api.conftest import Api, serving
from tests.bank import new_key, uuid_of
from tests.statement_files import read_camt, read_csv, read_json, read_mt940, read_pdf

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CREATE = """
mutation ($input: CreateStatementInput!) { createStatement(input: $input) {
  statement { id number status from to opening { amount currency } credits { amount } debits { amount } closing { amount }
    firstSequence lastSequence wallet { id } files { format } download(format: CSV) { url } }
  replayed userErrors { code message path ... on PeriodNotNext { expectedFrom } }
} }
"""
READ = """
query ($id: ID!) { node(id: $id) { ... on Statement {
  number status problem opening { amount } credits { amount } debits { amount } closing { amount }
  files { format bytes sha256 problem }
  entries(first: 100) { edges { node { sequence direction amount { amount } } } pageInfo { hasNextPage endCursor } }
  CSV: download(format: CSV) { url sha256 expiresAt } JSON: download(format: JSON) { url sha256 }
  CAMT_053: download(format: CAMT_053) { url sha256 } MT940: download(format: MT940) { url sha256 }
  PDF: download(format: PDF) { url sha256 }
} } }
"""
FORMATS = ("CSV", "JSON", "CAMT_053", "MT940", "PDF")
EXTENSIONS = dict(zip(FORMATS, ("csv", "json", "xml", "sta", "pdf"), strict=True))


@pytest.fixture
async def at_once(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API for which a statement may end now."""
    async with serving(settings.model_copy(update={"statement_delay_seconds": 0.0}), engine) as api:
        yield api


@asynccontextmanager
async def making(api: Api) -> AsyncIterator[StatementMaker]:
    """A maker with its own connections."""
    engine = create_engine(api.settings)
    try:
        yield StatementMaker(engine, system_clock)
    finally:
        await dispose(engine)


async def make_all(api: Api) -> None:
    async with making(api) as maker:
        while await maker.make_next(asyncio.Event()) == 0:
            pass


async def create(api: Api, wallet: str, subject: str = "alice", **values: Any) -> dict[str, Any]:
    given = {"idempotencyKey": new_key(), "walletId": wallet, "from": rfc3339(LONG_AGO), "to": rfc3339(system_clock()), **values}
    payload: dict[str, Any] = (await api.data(subject, CREATE, input=given))["createStatement"]
    return payload


async def made(api: Api, wallet: str, subject: str = "alice", **values: Any) -> dict[str, Any]:
    """A READY statement, read by its id."""
    payload = await create(api, wallet, subject, **values)
    assert payload["userErrors"] == []
    await make_all(api)
    found: dict[str, Any] = (await api.data(subject, READ, id=payload["statement"]["id"]))["node"]
    return {**found, "id": payload["statement"]["id"], "to": payload["statement"]["to"]}


async def downloads(api: Api, statement: dict[str, Any]) -> dict[str, bytes]:
    """Each file, by its link, without a token."""
    found = {}
    for name in FORMATS:
        link = statement[name]
        response = await api.http.get(link["url"])
        assert response.status_code == 200, response.text
        assert hashlib.sha256(response.content).hexdigest() == link["sha256"]
        found[name] = response.content
    return found


async def amounts_of(api: Api, wallet: str) -> list[int]:
    query = text("SELECT amount FROM ledger_entries WHERE wallet_id = :wallet ORDER BY sequence")
    async with api.services.engine.connect() as connection:
        return [amount for (amount,) in await connection.execute(query, {"wallet": uuid_of(wallet)})]


HOSTILE = [
    '=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(A1)", " =1+1", "'=2", '"=3', "</Ustrd><Amt>1</Amt>", "&amp; <b>", "]]>",
    ":62F:C991231USD9,99", "-", "-}{5:", 'a,"b",c', "{\"a\": 1}", "שלום עולם", "محمد علي", "王小明", "ไทย", "देवनागरी",
    "👩‍👩‍👧 🇩🇪 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "\U00020000\U0010fffd", "Zoë Łódź Straße Ærø", "x" * 280, "é" * 280, "😀" * 280,
]  # fmt: skip


async def test_each_file_parses_back_to_the_entries_with_hostile_words_in_every_field(at_once: Api) -> None:
    api = at_once
    alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
    wallet, theirs = await api.bank.wallet(alice, balance="500.00"), await api.bank.wallet(bob, balance="5.00")
    async with api.services.engine.begin() as connection:
        # The role of the service may not change them: as the owner, before the statement is made.
        await connection.execute(text("RESET ROLE"))
        await connection.execute(
            text("UPDATE users SET display_name = '=cmd|''/c calc''!A0 <x> ' || chr(8238) || 'B' WHERE id = :id"),
            {"id": bob.user_id},
        )
    transactions = []
    for words in HOSTILE:
        details = TransferInput(new_key(), wallet, theirs, "1.01", "USD", description=words, reference=words[:140])
        paid = await transfer(api.services.ledger, alice, details)
        assert paid.transaction is not None, (words, paid.refusals)
        transactions.append(paid.transaction)
    back = ReversalInput(new_key(), ids.encode("txn", transactions[0].id), ReversalReason.REFUND, ("0.50", "USD"))
    assert not (await reverse_transaction(api.services.ledger, bob, back)).result.refusals
    statement = await made(api, wallet)
    assert (statement["status"], statement["problem"]) == ("READY", None)
    assert statement["closing"]["amount"] == f"{Decimal(500) - Decimal('1.01') * len(HOSTILE) + Decimal('0.50'):.2f}"
    expected = [Decimal(amount) / 100 for amount in await amounts_of(api, wallet)]
    files = await downloads(api, statement)
    for read, name in ((read_csv, "CSV"), (read_json, "JSON"), (read_camt, "CAMT_053"), (read_mt940, "MT940")):
        found = read(files[name])
        assert found.amounts == expected, name
        assert (found.opening, found.closing) == (Decimal(0), Decimal(statement["closing"]["amount"])), name
        assert len(found.texts) == len(expected), name
    texts = read_json(files["JSON"]).texts[1:]
    assert all(normal(words) in found for words, found in zip(HOSTILE, texts, strict=False))
    csv_file = files["CSV"].decode()
    assert ',"\'=HYPERLINK(""http://x"",""y"")"' in csv_file
    for row in csv.reader(io.StringIO(csv_file, newline="")):
        for field in row:
            is_number = field.replace(".", "", 1).lstrip("-").isdigit()
            assert is_number or not field.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r")), field
    assert b"</Ustrd><Amt>" not in files["CAMT_053"]
    paper = read_pdf(files["PDF"])
    assert "王小明" in paper
    assert "Statement 1" in paper


@pytest.mark.parametrize(("currency", "amount", "shown"), [("JPY", "5", "5"), ("KWD", "1.234", "1.234"), ("USD", "0.05", "0.05")])
async def test_amounts_are_exact_in_every_currency(at_once: Api, currency: str, amount: str, shown: str) -> None:
    wallet = await at_once.wallet("alice", currency, amount)
    statement = await made(at_once, wallet)
    files = await downloads(at_once, statement)
    for read, name in ((read_csv, "CSV"), (read_json, "JSON"), (read_camt, "CAMT_053"), (read_mt940, "MT940")):
        assert read(files[name]).amounts == [Decimal(shown)], name
    assert shown in read_pdf(files["PDF"])


async def test_balances_below_zero_have_their_sign_in_every_format(at_once: Api) -> None:
    """A system wallet pays deposits and so is below zero."""
    await at_once.wallet("alice", balance="10.00")
    await at_once.wallet("alice", balance="2.50")
    async with at_once.services.engine.connect() as connection:
        query = text("SELECT id FROM wallets WHERE system_purpose = 'DEPOSITS' AND currency = 'USD'")
        system = ids.encode("wal", (await connection.execute(query)).scalar_one())
    statement = await made(at_once, system, "admin")
    files = await downloads(at_once, statement)
    for read, name in ((read_csv, "CSV"), (read_json, "JSON"), (read_camt, "CAMT_053"), (read_mt940, "MT940")):
        found = read(files[name])
        assert (found.closing, found.amounts) == (Decimal("-12.50"), [Decimal("-10.00"), Decimal("-2.50")]), name
    assert "-12.50" in read_pdf(files["PDF"])


async def test_statements_follow_each_other_in_lists_and_files(at_once: Api) -> None:
    alice, bob = await at_once.bank.viewer("alice"), await at_once.bank.viewer("bob")
    wallet, theirs = await at_once.bank.wallet(alice, balance="50.00"), await at_once.bank.wallet(bob)
    from_, closing = rfc3339(LONG_AGO), Decimal(0)
    for number in (1, 2, 3):
        if number != 2:
            await at_once.bank.pay(alice, wallet, theirs, "1.00")
        statement = await made(at_once, wallet, **{"from": from_})
        assert int(statement["number"]) == number
        files = await downloads(at_once, statement)
        for read, name in ((read_csv, "CSV"), (read_json, "JSON"), (read_camt, "CAMT_053"), (read_mt940, "MT940")):
            found = read(files[name])
            assert found.number in (0, number), name
            assert found.opening == closing, name
            assert found.opening + sum(found.amounts) == found.closing, name
        from_, closing = statement["to"], Decimal(statement["closing"]["amount"])
    query = "query ($w: ID!) { wallet(id: $w) { statements(first: 2) { edges { node { number } } pageInfo { hasNextPage } } } }"
    found = (await at_once.data("alice", query, w=wallet))["wallet"]["statements"]
    assert [edge["node"]["number"] for edge in found["edges"]] == ["3", "2"]
    assert found["pageInfo"]["hasNextPage"] is True


async def test_entries_of_a_statement_are_its_own_in_pages(at_once: Api) -> None:
    alice, bob = await at_once.bank.viewer("alice"), await at_once.bank.viewer("bob")
    wallet, theirs = await at_once.bank.wallet(alice, balance="50.00"), await at_once.bank.wallet(bob)
    first = await made(at_once, wallet)
    for _ in range(5):
        await at_once.bank.pay(alice, wallet, theirs, "1.00")
    second = await made(at_once, wallet, **{"from": first["to"]})
    await at_once.bank.pay(alice, wallet, theirs, "1.00")
    query = """query ($id: ID!, $after: String) { node(id: $id) { ... on Statement {
        entries(first: 2, after: $after) { edges { node { sequence } } pageInfo { hasNextPage endCursor } } } } }"""
    seen, after = [], None
    while True:
        page = (await at_once.data("alice", query, id=second["id"], after=after))["node"]["entries"]
        seen += [edge["node"]["sequence"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["2", "3", "4", "5", "6"]


async def test_refusals_say_where_the_next_one_begins(at_once: Api) -> None:
    wallet = await at_once.wallet("alice", balance="5.00")
    first = await made(at_once, wallet)
    payload = await create(at_once, wallet)
    (error,) = payload["userErrors"]
    assert (error["code"], error["path"], error["expectedFrom"]) == ("PERIOD_NOT_NEXT", ["input", "from"], first["to"])
    payload = await create(at_once, wallet, **{"from": first["to"], "to": "2090-01-01T00:00:00Z"})
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("PERIOD_OPEN", ["input", "to"])]


async def test_to_another_user_a_statement_does_not_exist(at_once: Api) -> None:
    wallet = await at_once.wallet("alice", balance="5.00")
    statement = await made(at_once, wallet)
    assert (await at_once.data("bob", READ, id=statement["id"]))["node"] is None
    unknown = ids.encode("stm", ids.new_id(system_clock()))
    assert (await at_once.data("bob", READ, id=unknown))["node"] is None
    theirs = [f"/wallets/{wallet}/statements", f"/wallets/{wallet}/statements/1.csv"]
    nobodys = [path.replace(wallet, ids.encode("wal", ids.new_id(system_clock()))) for path in theirs]
    answers = [await at_once.http.get(path, headers=at_once.headers("bob")) for path in (*theirs, *nobodys)]
    assert {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers} == {
        (404, "NOT_FOUND", "This does not exist, or you may not see it.")
    }
    assert (await at_once.http.get(theirs[1])).status_code == 401
    assert (await at_once.data("admin", READ, id=statement["id"]))["node"]["status"] == "READY"


async def test_rest_makes_lists_and_serves_statements(at_once: Api) -> None:
    wallet = await at_once.wallet("alice", balance="5.00")
    path, headers = f"/wallets/{wallet}/statements", at_once.headers("alice")
    body = {"from": "2000-01-01T00:00:00Z", "to": rfc3339(system_clock()), "idempotency_key": new_key()}
    response = await at_once.http.post(path, json=body, headers=headers)
    assert response.status_code == 201
    assert response.json()["statement"]["status"] == "PREPARING"
    assert (await at_once.http.get(f"{path}/1.csv", headers=headers)).status_code == 404
    await make_all(at_once)
    again = await at_once.http.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()["replayed"], again.json()["statement"]["status"]) == (200, True, "READY")
    wrong = await at_once.http.post(path, json={**body, "idempotency_key": new_key()}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["field"]) == (409, "PERIOD_NOT_NEXT", "from")
    assert wrong.json()["expected_from"] == body["to"]
    for bad in ({}, {**body, "to": "tomorrow"}, {**body, "to": "2001-01-01T00:00:00"}, {**body, "x": 1}, {**body, "from": 5}):
        assert (await at_once.http.post(path, json=bad, headers=headers)).status_code == 400
    (item,) = (await at_once.http.get(path, headers=headers)).json()["items"]
    assert item["closing"] == "5.00"
    for file in item["files"]:
        response = await at_once.http.get(f"{path}/1.{file['format']}", headers=headers)
        assert response.status_code == 200
        assert response.headers["content-length"] == str(file["bytes"])
        assert response.headers["etag"] == f'"{file["sha256"]}"'
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-disposition"] == f'attachment; filename="statement-{wallet}-1.{file["format"]}"'
        assert "content-encoding" not in response.headers
        assert hashlib.sha256(response.content).hexdigest() == file["sha256"]
        known = await at_once.http.get(f"{path}/1.{file['format']}", headers={**headers, "If-None-Match": f'"{file["sha256"]}"'})
        assert (known.status_code, known.content) == (304, b"")
    for name in ("2.csv", "0.csv", "1.txt", "1.CSV", "x.csv", "-1.csv", "1", f"{'9' * 5000}.csv", f"{2**63}.csv"):
        assert (await at_once.http.get(f"{path}/{name}", headers=headers)).status_code == 404, name
    assert (await at_once.http.get(f"{path}?type=TRANSFER", headers=headers)).status_code == 400


async def test_links_are_for_one_file_and_for_minutes(at_once: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = await at_once.wallet("alice", balance="5.00")
    first = await made(at_once, wallet)
    second = await made(at_once, wallet, **{"from": first["to"]})
    url = first["CSV"]["url"]
    assert (await at_once.http.get(url)).status_code == 200
    signature = url.rpartition("=")[2]
    changed = "B" if signature[0] == "A" else "A"
    forged = [
        url.replace(".csv", ".json"),
        url.replace(first["id"], second["id"]),
        url.replace("expires=", "expires=1"),
        url.replace("expires=", "expires=0"),
        url.replace("expires=", "expires=%20"),
        url.replace(signature, changed + signature[1:]),
        url.replace(signature, signature + "%3D"),
        url.replace(signature, ""),
        url.replace(signature, "%F0%9F%98%80"),
        url.partition("?")[0],
        url.replace("?expires", "?other").replace("signature", "x"),
        "/statements/x.csv?expires=1&signature=1",
    ]
    for path in forged:
        response = await at_once.http.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND"), path
    later = int(url.partition("expires=")[2].partition("&")[0])
    monkeypatch.setattr(
        type(at_once.services), "clock", property(lambda _: lambda: datetime.fromtimestamp(later, UTC)), raising=False
    )
    response = await at_once.http.get(url)
    assert (response.status_code, response.json()["code"]) == (403, "FORBIDDEN")


async def test_without_a_key_there_are_no_links(settings: Settings, engine: Database) -> None:
    production = settings.model_copy(update={"statement_delay_seconds": 0.0, "environment": "production"})
    assert production.link_keys == ()
    async with serving(production, engine) as api:
        wallet = await api.wallet("alice", balance="5.00")
        statement = await made(api, wallet)
        assert [statement[name] for name in FORMATS] == [None] * 5
        url = f"/statements/{statement['id']}.csv?expires=9999999999&signature="
        assert (await api.http.get(url)).status_code == 404
        response = await api.http.get(f"/wallets/{wallet}/statements/1.csv", headers=api.headers("alice"))
        assert response.status_code == 200
