"""`python -m bench.watchers`: how much one user's subscriptions with nested fields slow another user's transfers.

One API process. Many subscriptions watch one wallet, which gets a few payments per second, while another user makes transfers one
after the other. The same is measured without subscriptions, in alternation; the ratio is the result.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
import uvloop

from app.db import migrate
from app.demo.embedded import start_servers
from app.settings import load_settings
from bench import world
from bench.live import subscribers
from bench.load import Result, closed_loop, open_loop, warm_up_connections
from bench.progress import console
from bench.run import POSTGRES, temporary_home
from bench.stack import Stack
from bench.traffic import HOT, Traffic, completed

_WATCH = """subscription Watch($id: ID!) { walletUpdated(walletId: $id) {
  kind entry { sequence createdAt transaction { id description sender { walletId displayName } } }
} }"""
_PAYER, _PAYEE, _PAYER_OF_WATCHED = 5001, 6001, 7001
_PERCENTILES = (50, 95)
_MORE_SECONDS = 1.4
"""The watched wallet gets payments for a little longer than the other transfers are measured."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    subscriptions: Annotated[int, typer.Option(help="Of one user, to one wallet.")] = 600,
    events: Annotated[float, typer.Option(help="Payments into the watched wallet in a second.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="Of one measurement.")] = 10.0,
    rounds: Annotated[int, typer.Option(help="Measurements with and without subscriptions.")] = 3,
) -> None:
    """Measure another user's transfers with and without the subscriptions."""
    without, beside, delivered = uvloop.run(_measure(subscriptions, events, seconds, rounds))
    for percent in _PERCENTILES:
        quiet, busy = (median(result.percentile(percent) * 1000 for result in results) for results in (without, beside))
        console.print(f"p{percent}: {quiet:.2f} ms without, {busy:.2f} ms beside {subscriptions}: {busy / quiet:.2f} times")
    console.print(f"{delivered} updates were delivered")


async def _measure(subscriptions: int, events: float, seconds: float, rounds: int) -> tuple[list[Result], list[Result], int]:
    delivered: list[str] = []
    without: list[Result] = []
    beside: list[Result] = []
    async with temporary_home(Path("build")) as home:
        with start_servers(home, reset=True, postgres_parameters=POSTGRES) as servers:
            await migrate.upgrade(load_settings(database_url=servers.database_url))
            await world.create(servers.database_url)
            stack = Stack(servers.database_url, servers.redis_url, home / "paycore.log", workers=1)
            try:
                await stack.start()
                tokens = world.tokens(stack.settings)
                traffic = Traffic(tokens)
                await warm_up_connections(stack.port, traffic.first_requests(), connections=8)
                for _ in range(rounds):
                    without.append(await _round(stack, traffic, events, seconds))
                    async with subscribers(stack.port, tokens, [HOT] * subscriptions, delivered.append, _WATCH):
                        beside.append(await _round(stack, traffic, events, seconds))
            finally:
                await stack.stop()
    return without, beside, len(delivered)


async def _round(stack: Stack, traffic: Traffic, events: float, seconds: float) -> Result:
    pay_watched = traffic.transfer(lambda: (_PAYER_OF_WATCHED, HOT))
    pay = traffic.transfer(lambda: (_PAYER, _PAYEE))
    paying = asyncio.create_task(open_loop(stack.port, events, seconds * _MORE_SECONDS, pay_watched, completed))
    result = await closed_loop(stack.port, 1, seconds, pay, completed)
    await paying
    return result


if __name__ == "__main__":
    app()
