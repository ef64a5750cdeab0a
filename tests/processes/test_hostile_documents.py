"""Documents and bodies built to exhaust `paycore serve`: each is refused, and little memory is kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.settings import Settings
from tests.processes.test_strangers import service

MEGABYTE = 1_048_576
WITHIN_SECONDS = 10.0
"""Seconds for each answer: many times what it takes, and less than an endless loop would."""
MAY_GROW = 150 * MEGABYTE


def cycle(length: int) -> str:
    fragments = " ".join(f"fragment f{n} on User {{ ...f{(n + 1) % length} }}" for n in range(length))
    return f"{{ viewer {{ ...f0 }} }} {fragments}"


def doubling(levels: int) -> str:
    """Each fragment spreads the next one twice: 2^levels fields in total."""
    fragments = " ".join(f"fragment f{n} on User {{ ...f{n + 1} ...f{n + 1} }}" for n in range(levels))
    return f"{{ viewer {{ ...f0 }} }} {fragments} fragment f{levels} on User {{ id }}"


def overlapping(fields: int) -> str:
    """Fields with one alias, whose arguments must be compared pair by pair."""
    return "{ viewer { " + "wallets(first: 1) { edges { node { id name } } } " * fields + "} }"


HOSTILE: dict[str, Callable[[], dict[str, Any]]] = {
    "deep fields": lambda: {"query": "{a" * 100_000},
    "deep fields that end": lambda: {
        "query": "{ viewer " + "{ wallets { edges { node { owner " * 400 + "{ id }" + "} } } }" * 400 + "}"
    },
    "deep lists": lambda: {"query": "{ nodes(ids: " + "[" * 100_000 + "]" * 100_000 + ") { id } }"},
    "deep objects": lambda: {"query": "mutation { transfer(input: " + "{a: " * 30_000 + "1" + "}" * 30_000 + ") { replayed } }"},
    "deep variables": lambda: {"query": "query($i: [ID!]!) { nodes(ids: $i) { id } }", "variables": {"i": nested_list(900)}},
    "deep inline fragments": lambda: {"query": "{ viewer { " + "... { " * 2000 + "id" + " }" * 2000 + " } }"},
    "many aliases": lambda: {"query": "{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(30_000)) + " }"},
    "many directives": lambda: {"query": "{ viewer { id " + "@include(if: true) " * 10_000 + "} }"},
    "many names": lambda: {"query": "{ viewer { " + "displayNam " * 50_000 + "} }"},
    "many variables": lambda: {"query": "query(" + " ".join(f"$v{n}: Int" for n in range(20_000)) + ") { viewer { id } }"},
    "many operations": lambda: {"query": " ".join(f"query q{n} {{ viewer {{ id }} }}" for n in range(20_000)),
                                "operationName": "q7"},
    "a cycle": lambda: {"query": cycle(2)},
    "a long cycle": lambda: {"query": cycle(500)},
    "doubling": lambda: {"query": doubling(100)},
    "overlapping": lambda: {"query": overlapping(300)},
    "a long name": lambda: {"query": "{ " + "n" * 500_000 + " }"},
    "a long string": lambda: {"query": '{ wallet(id: "' + "x" * 500_000 + '") { id } }'},
    "a block of quotes": lambda: {"query": '{ wallet(id: """' + '\\"""' * 100_000 + '""") { id } }'},
    "commas": lambda: {"query": "," * 900_000 + "{ viewer { id } }"},
    "comments": lambda: {"query": "#" * 900_000 + "\n{ viewer { id } }"},
    "a huge number": lambda: {"query": "{ viewer { wallets(first: " + "9" * 90_000 + ") { edges { cursor } } } }"},
    "a huge number in variables": lambda: {"query": "query($n: Int) { viewer { wallets(first: $n) { edges { cursor } } } }",
                                           "variables": {"n": 10**4000}},
    "long lists in variables": lambda: {"query": "query($i: [ID!]!) { nodes(ids: $i) { id } }",
                                        "variables": {"i": ["x"] * 100_000}},
}  # fmt: skip


def nested_list(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def assert_refused(name: str, response: httpx.Response) -> None:
    assert response.status_code < 500, (name, response.status_code, response.text[:300])
    answer = response.json()
    codes = {error["extensions"]["code"] for error in answer["errors"]} if "errors" in answer else {answer["code"]}
    allowed = {"GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX", "BAD_USER_INPUT", "BODY_TOO_LARGE", "MORE_ERRORS"}
    assert codes <= allowed, (name, codes)
    assert len(response.content) < 20_000, name


async def test_hostile_documents_are_refused_in_bounded_time_and_memory(settings: Settings) -> None:
    headers = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
    async with service(settings) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_SECONDS) as http:
        process = serving_on(port)
        for name, make in HOSTILE.items():
            assert_refused(name, await http.post("/graphql", json=make(), headers=headers))
        before = process.memory_info().rss
        for _ in range(3):
            for name, make in HOSTILE.items():
                assert_refused(name, await http.post("/graphql", json=make(), headers=headers))
        assert process.memory_info().rss - before < MAY_GROW
        still = await http.post("/graphql", json={"query": "{ viewer { __typename } }"}, headers=headers)
        assert still.json()["data"] == {"viewer": {"__typename": "User"}}


OPENINGS = (
    "mutation { "
    + " ".join(
        f'w{n}: openWallet(input: {{idempotencyKey: "w{n}", currency: "USD", name: "x"}}) {{ replayed }}' for n in range(30)
    )
    + " }"
)


def with_many_operations(number: int) -> dict[str, Any]:
    """A valid document of ten kilobytes, as large as possible once parsed."""
    operations = " ".join(f"query q{one} {{ viewer {{ id }} }}" for one in range(400))
    return {"query": f"query z{number} {{ __typename }} {operations}", "operationName": f"z{number}"}


def with_a_long_text(number: int) -> dict[str, Any]:
    return {"query": f'query z{number} {{ wallet(id: "{"x" * 90_000}") {{ id }} }}'}


def with_a_wide_answer(number: int) -> dict[str, Any]:
    names = " ".join(f"a{one}: updatesCursor" for one in range(100))
    return {"query": f"query z{number} {{ viewer {{ wallets(first: 100) {{ edges {{ node {{ {names} }} }} }} }} }}"}


ACCEPTED: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "many operations": (with_many_operations, 70),
    "a long text": (with_a_long_text, 40),
    "a wide answer": (with_a_wide_answer, 40),
}
"""Documents, and how often each is sent: if kept, those of many operations would take 110 megabytes."""


@pytest.mark.heavy
async def test_valid_documents_and_wide_answers_keep_little_memory(settings: Settings) -> None:
    async with service(settings) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_SECONDS) as http:
        process = serving_on(port)
        for name, (make, times) in ACCEPTED.items():
            # A new user for each, as the budget is per user.
            headers = {"Authorization": f"Bearer {mint_token(name, settings)}"}
            opened = await http.post("/graphql", json={"query": OPENINGS}, headers=headers)
            assert "errors" not in opened.json()
            assert "errors" not in (await http.post("/graphql", json=make(0), headers=headers)).json()
            before = process.memory_info().rss
            for number in range(1, times + 1):
                answer = (await http.post("/graphql", json=make(number), headers=headers)).json()
                assert "errors" not in answer, name
            assert process.memory_info().rss - before < 80 * MEGABYTE, name
            # Documents without a token fill no cache.
            refused = (await http.post("/graphql", json=make(times + 1))).json()
            assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED", name
        headers = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
        still = await http.post("/graphql", json={"query": "{ viewer { __typename } }"}, headers=headers)
        assert still.json()["data"] == {"viewer": {"__typename": "User"}}


async def test_compressed_bodies_are_not_decompressed(settings: Settings) -> None:
    headers = {
        "Authorization": f"Bearer {mint_token('alice', settings)}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    bomb = gzip.compress(b'{"query": "' + b" " * (200 * MEGABYTE) + b'{ viewer { id } }"}')
    good = gzip.compress(json.dumps({"query": "{ viewer { id } }"}).encode())
    async with service(settings) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_SECONDS) as http:
        process = serving_on(port)
        before = process.memory_info().rss
        for path in ("/graphql", "/transfer"):
            for body in (bomb, good):
                response = await http.post(path, content=body, headers=headers)
                assert response.status_code == 415, (path, response.text)
        assert process.memory_info().rss - before < MAY_GROW


def serving_on(port: int) -> psutil.Process:
    """The process that listens on the port: a worker if there are several."""
    listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.pid]
    return psutil.Process(max(one.pid or 0 for one in listening if one.laddr and one.laddr.port == port))
