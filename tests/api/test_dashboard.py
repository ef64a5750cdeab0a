"""Browsers get pages where programs get JSON, and no file is served but those of the pages."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.db.pool import Database
from app.http.dashboard import BUILDING
from app.settings import Settings
from tests.api.conftest import serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    directory = tmp_path / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "graphiql").mkdir()
    (directory / "index.html").write_text("<!doctype html><title>Paycore</title>")
    (directory / "graphiql" / "index.html").write_text("<!doctype html><title>GraphiQL</title>")
    (directory / "assets" / "app-1a2b.js").write_text("export {};" + " " * 2000)
    (tmp_path / "secret.txt").write_text("a secret")
    return directory


async def test_a_browser_gets_a_page_and_a_program_gets_json_at_the_same_address(
    settings: Settings, engine: Database, pages: Path
) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        wallet = await api.wallet("alice")
        for path in (
            "/",
            "/wallets",
            f"/wallets/{wallet}",
            f"/wallets/{wallet}/statements",
            "/activity",
            "/transactions/txn_x",
            "/control",
            "/find",
            "/find/usr_x",
            "/send",
            "/break",
            "/send/",
        ):
            page = await api.http.get(path, headers=BROWSER)
            assert (page.status_code, page.text) == (200, "<!doctype html><title>Paycore</title>"), path
            assert page.headers["vary"] == "Accept"
        answer = await api.http.get(f"/wallets/{wallet}", headers=api.headers("alice"))
        assert answer.json()["id"] == wallet
        assert (await api.http.get("/transfer")).status_code == 405
        assert (await api.http.get("/no/such/page")).json()["code"] == "NOT_FOUND"
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert (await api.http.get(path, headers=BROWSER)).headers["content-type"] == "application/json", path


async def test_a_browser_gets_the_dashboards_404_at_an_address_without_a_page(
    settings: Settings, engine: Database, pages: Path
) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        for path in ("/no/such/page", "/transfer", "/wallets/wal_x/more", "/transactions", "/senders"):
            page = await api.http.get(path, headers=BROWSER)
            assert (page.status_code, page.text) == (404, "<!doctype html><title>Paycore</title>"), path


async def test_a_link_to_a_statements_file_is_never_a_page(settings: Settings, engine: Database, pages: Path) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        answer = await api.http.get("/statements/stm_x.pdf?expires=1&signature=x", headers=BROWSER)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_pages_have_a_strict_csp_and_assets_are_cached(settings: Settings, engine: Database, pages: Path) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        page = await api.http.get("/", headers=BROWSER)
        policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe-inline" not in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"
        graphiql = await api.http.get("/graphiql", headers=BROWSER)
        assert "script-src" not in graphiql.headers["content-security-policy"], "inline styles alone are allowed there"
        assert "style-src 'self' 'unsafe-inline'" in graphiql.headers["content-security-policy"]
        asset = await api.http.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"})
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["content-encoding"] == "gzip"
        assert asset.headers["content-type"].startswith("text/javascript")
        missing = await api.http.get("/assets/nope.js")
        assert (missing.status_code, "immutable" in missing.headers.get("cache-control", "")) == (404, False)


@pytest.mark.parametrize("path", ["/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/..%2fsecret.txt",
                                  "/assets//etc/passwd",
                                  "/assets/%2e%2e%2f%2e%2e%2fsecret.txt", "/assets/..\\secret.txt", "/assets/%00"])  # fmt: skip
async def test_no_path_leads_out_of_the_assets(settings: Settings, engine: Database, pages: Path, path: str) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        response = await api.http.get(path)
        assert response.status_code == 404
        assert "secret" not in response.text


async def test_a_browser_gets_graphiql_at_graphql_unless_it_is_off(settings: Settings, engine: Database, pages: Path) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": pages}), engine) as api:
        opened = await api.http.get("/graphql", headers=BROWSER)
        assert (opened.status_code, opened.headers["location"]) == (307, "/graphiql")
        assert "GraphiQL" in (await api.http.get("/graphiql", headers=BROWSER)).text
        answer = await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=BROWSER)
        assert answer.json()["data"] == {"__typename": "Query"}
    off = settings.model_copy(update={"dashboard_dir": pages, "graphiql": False})
    async with serving(off, engine) as api:
        assert (await api.http.get("/graphiql", headers=BROWSER)).status_code == 404
    async with serving(settings.model_copy(update={"dashboard": False}), engine) as api:
        assert (await api.http.get("/", headers=BROWSER)).headers["content-type"] == "application/problem+json"


async def test_without_pages_the_address_explains_how_to_build_them(settings: Settings, engine: Database, tmp_path: Path) -> None:
    empty = settings.model_copy(update={"dashboard_dir": tmp_path / "nothing", "supervisor_home": tmp_path})
    async with serving(empty, engine) as api:
        assert "npm run build" in (await api.http.get("/", headers=BROWSER)).text
        (tmp_path / "pages.txt").write_text(BUILDING)
        building = (await api.http.get("/", headers=BROWSER)).text
        assert BUILDING in building
        assert 'http-equiv="refresh"' in building
        started = time.time() - 83
        os.utime(tmp_path / "pages.txt", (started, started))
        page = await api.http.get("/", headers=BROWSER)
        assert re.search(r"It has taken 1 min \d+ s so far", page.text)
        assert "background" in page.text
        assert "style-src 'unsafe-inline'" in page.headers["content-security-policy"]
        (tmp_path / "pages.txt").write_text("no Node <script>alert(1)</script>")
        failed = (await api.http.get("/", headers=BROWSER)).text
        assert "&lt;script&gt;" in failed
        assert 'http-equiv="refresh"' not in failed


def test_graphiql_is_off_in_production_unless_it_is_switched_on() -> None:
    base: dict[str, Any] = {
        "environment": "production",
        "jwt_secret": "x" * 32,
        "database_url": "postgresql://h/d",
        "redis_url": "redis://h",
    }
    assert Settings(**base).graphiql_enabled is False
    assert Settings(**base, graphiql=True).graphiql_enabled is True
    assert Settings().graphiql_enabled is True
