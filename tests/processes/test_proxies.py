"""The client's address is taken from X-Forwarded-For only if a listed proxy sends it."""

from __future__ import annotations

import httpx
import pytest

from app.settings import Settings
from tests.processes.test_cli import assert_one_line, paycore
from tests.processes.test_strangers import service
from tests.waiting import early_in_a_window

ONE_A_SECOND = {"PAYCORE_REQUESTS_PER_ADDRESS_PER_SECOND": "1"}
"""Ten in a window of ten seconds."""


async def statuses(port: int, forwarded: list[str]) -> list[int]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        return [(await http.get("/openapi.json", headers={"X-Forwarded-For": given})).status_code for given in forwarded]


async def test_the_header_of_a_client_is_ignored(settings: Settings) -> None:
    async with service(settings, **ONE_A_SECOND) as port:
        await early_in_a_window()
        answers = await statuses(port, [f"203.0.113.{number}" for number in range(12)])
    assert answers == [200] * 10 + [429] * 2


async def test_a_listed_proxys_address_is_used_and_the_clients_own_entries_are_ignored(settings: Settings) -> None:
    async with service(settings, **ONE_A_SECOND, PAYCORE_TRUSTED_PROXIES="127.0.0.0/8") as port:
        await early_in_a_window()
        # The proxy adds the last entry; the client wrote the ones before.
        same = await statuses(port, [f"198.51.100.{number}, 203.0.113.1" for number in range(12)])
        others = await statuses(port, [f"203.0.113.{number}" for number in range(2, 14)])
    assert same == [200] * 10 + [429] * 2
    assert others == [200] * 12


async def test_a_listed_ipv4_proxy_is_recognised_on_a_dual_stack_socket(settings: Settings) -> None:
    environment = {**ONE_A_SECOND, "PAYCORE_TRUSTED_PROXIES": "127.0.0.1", "PAYCORE_JWT_SECRET": "s" * 32}
    async with service(settings, **environment, PAYCORE_HOST="::") as port:
        await early_in_a_window()
        answers = await statuses(port, [f"203.0.113.{number}" for number in range(12)])
    assert answers == [200] * 12


@pytest.mark.parametrize("given", ["*", "10.0.0.1/8", "proxy.internal", "10.0.0.0/8,nonsense"])
def test_an_invalid_proxy_address_stops_the_service_from_starting(given: str) -> None:
    assert_one_line(paycore("serve", environment={"PAYCORE_TRUSTED_PROXIES": given}), "PAYCORE_TRUSTED_PROXIES", "10.0.0.0/8")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "paycore.internal"])
def test_the_demo_secret_is_refused_on_other_than_loopback_addresses(host: str) -> None:
    environment = {"PAYCORE_REDIS_URL": "redis://127.0.0.1:1", "PAYCORE_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    assert_one_line(paycore("serve", "--host", host, environment=environment), "PAYCORE_JWT_SECRET", host)
