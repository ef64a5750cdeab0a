"""`python -m bench`: see `--help`, and docs/performance.md for what the figures mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop

from app.errors import ConfigurationError
from bench.partitions import compare
from bench.profiles import PROFILES
from bench.progress import console
from bench.report import table
from bench.run import Run, temporary_home

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    profile: Annotated[str, typer.Option(help=f"One of {', '.join(PROFILES)}.")] = "full",
    output: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = Path("build/bench.json"),
    *,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="Only compare a ledger in 24 partitions with one table.")
    ] = False,
) -> None:
    """Measure Paycore and compare it with SQL on the same server and tables."""
    if profile not in PROFILES:
        raise typer.BadParameter(f"there is no profile {profile!r}", param_hint="--profile")

    async def measure() -> dict[str, object]:
        async with temporary_home(output.parent) as home:
            if partitions:
                return await compare(PROFILES[profile], home, console.print)
            return (await Run(PROFILES[profile], home).measure()).as_json()

    try:
        report = uvloop.run(measure())
    except (RuntimeError, ConfigurationError) as error:
        console.print(f"[red]bench: {error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    console.print(report if partitions else table(report))
    console.print(f"Written to {output}.")


if __name__ == "__main__":
    app()
