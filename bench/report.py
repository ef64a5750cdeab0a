"""The report of a run: ratios to the baselines of the same round, as a table and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.table import Table

from bench.profiles import Profile
from bench.throughput import PAGE_SIZES

BASELINES = ("sql_function", "interactive")

_MEASURED_ONCE = (
    "latency", "live", "fan_out", "catch_up", "projection", "reading_time", "statement_entries", "memory", "storage",
)  # fmt: skip

AT_LEAST: Mapping[str, float] = {
    "single/sql_function": 0.75,
    "batch/sql_function": 2.2,
    "hot_in/single": 0.95,
    "hot_out/single": 0.9,
    "fee/single": 0.85,
    "hold_capture/single": 0.45,
    "convert/single": 0.5,
    "rest/single": 1.0,
    "replay/single": 1.0,
    "webhooks_hanging/webhooks_none": 0.97,
    "growth_single/single": 0.9,
    "growth_batch/batch": 0.9,
    "growth_read/read": 0.9,
    "activity_frequent_word/plain_page": 0.5,
    "activity_rare_word/plain_page": 0.5,
    "balances_400_days/plain_page": 0.33,
}
"""The minimum of each ratio."""

AT_MOST: Mapping[str, float] = {
    "read_deepest/read_first": 1.2,
    "growth_read_deepest/growth_read_first": 1.2,
    "memory_after/memory_warm": 1.1,
    "bytes_per_transfer": 800,
    "balance_at/page_rows": 2.0,
}
"""The maximum of each ratio of times or sizes. Memory is sampled, so a tenth does not count as growth."""


class Report:
    """The figures of one run."""

    def __init__(
        self,
        profile: Profile,
        machine: Mapping[str, object],
        rates: Mapping[str, Sequence[float]],
        facts: Mapping[str, Mapping[str, object]],
    ) -> None:
        self._profile = profile
        self._machine = machine
        self._rates = rates
        self._facts = facts

    def as_json(self) -> dict[str, Any]:
        """The report for build/bench.json."""
        ratios = self._ratios()
        return {
            "profile": self._profile.name,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {**self._machine, "python": platform.python_version(), "system": platform.system()},
            "baselines": {name: round(median(self._rates[name]), 1) for name in BASELINES},
            "figures": self._figures(),
            "ratios": ratios,
            "targets": {
                **{name: {"at_least": wanted, "met": ratios[name] >= wanted} for name, wanted in AT_LEAST.items()},
                **{name: {"at_most": wanted, "met": ratios[name] <= wanted} for name, wanted in AT_MOST.items()},
            },
        }

    def _figures(self) -> dict[str, dict[str, object]]:
        rated = {
            name: {"per_second": round(median(rates), 1), "rounds": [round(rate, 1) for rate in rates], **self._facts[name]}
            for name, rates in self._rates.items()
            if name not in BASELINES
        }
        growth = {
            "per_second": rated["growth_single"]["per_second"],
            "entries": self._profile.grown_entries,
            "batch_per_second": rated["growth_batch"]["per_second"],
            "read_per_second": rated["growth_read"]["per_second"],
        }
        return {**rated, "growth": growth, **{name: dict(self._facts[name]) for name in _MEASURED_ONCE}}

    def _ratios(self) -> dict[str, float]:
        """The median of each ratio over the rounds: a disturbance in a round slows both sides."""
        past: Any = self._facts["reading_time"]
        shares = {f"{name}/plain_page": share for name, share in past["of_a_plain_page"].items()}
        ratios = {
            name: shares[name] if name in shares else self._ratio(*name.split("/"))
            for name in (*AT_LEAST, "single/interactive", "refused/single", "posting10/single")
        }
        ratios["balance_at/page_rows"] = past["balance_at_of_page_rows"]
        for prefix in ("", "growth_"):
            facts: Any = self._facts[f"{prefix}read"]
            times = [facts[f"first_{size}"] / facts[f"deepest_{size}"] for size in PAGE_SIZES]
            ratios[f"{prefix}read_deepest/{prefix}read_first"] = round(max(times), 3)
        memory: Any = self._facts["memory"]
        storage: Any = self._facts["storage"]
        ratios["memory_after/memory_warm"] = memory["growth_after_warm_up"]
        ratios["bytes_per_transfer"] = storage["bytes_per_transfer"]
        return ratios

    def _ratio(self, above: str, below: str) -> float:
        return round(median(a / b for a, b in zip(self._rates[above], self._rates[below], strict=True)), 3)


def table(report: Mapping[str, Any]) -> Table:
    """The report as a table."""
    shown = Table(title=f"Paycore benchmark ({report['profile']})", title_justify="left")
    for column in ("figure", "per second"):
        shown.add_column(column, justify="left" if column == "figure" else "right")
    shown.add_column("ratios")
    for name, rate in report["baselines"].items():
        shown.add_row(f"baseline {name}", f"{rate:,.0f}", "")
    for name, figure in report["figures"].items():
        mine = [_ratio_text(report, ratio) for ratio in report["ratios"] if ratio.split("/")[0] == name]
        shown.add_row(name, f"{figure['per_second']:,.0f}", ", ".join(mine) or _note(name, figure))
    for ratio in (*AT_MOST,):
        shown.add_row(ratio, "", _ratio_text(report, ratio))
    return shown


def _ratio_text(report: Mapping[str, Any], name: str) -> str:
    value = report["ratios"][name]
    target = report["targets"].get(name)
    if target is None:
        return f"{value:g} of {name.rsplit('/', maxsplit=1)[-1]}"
    bound = f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"
    mark = "[green]✓[/green]" if target["met"] else "[red]✗[/red]"
    of = f" of {name.rsplit('/', maxsplit=1)[-1]}" if "/" in name and "at_least" in target else ""
    return f"{mark} {value:g}{of} ({bound})"


def _note(name: str, figure: Mapping[str, Any]) -> str:
    text = ""
    match name:
        case "latency":
            loads = ((percent, figure[f"at_{percent}_percent"]) for percent in (10, 50, 80))
            text = "; ".join(f"{percent} %: p50 {at['p50_ms']:g} p99 {at['p99_ms']:g} ms" for percent, at in loads)
        case "live":
            text = f"p50 {figure['p50_ms']:g} p95 {figure['p95_ms']:g} p99 {figure['p99_ms']:g} ms"
        case "fan_out":
            each, last = figure["each"], figure["last"]
            text = (
                f"{figure['subscribers']:,} sockets: each p50 {each['p50_ms']:g} p99 {each['p99_ms']:g} ms, the last p50 "
                f"{last['p50_ms']:g} p99 {last['p99_ms']:g} ms; {figure['kilobytes_per_socket']:g} kB for a socket"
            )
        case "catch_up":
            text = f"{figure['events']:,} events in {figure['seconds']:g} s"
        case "projection":
            text = f"CPU for each transfer: worker {figure['cpu_us_worker']:g} µs, PostgreSQL {figure['cpu_us_postgres']:g} µs"
        case "reading_time":
            text = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in figure["each_per_second"].items())
        case "statement_entries":
            each = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in figure["each_per_second"].items())
            text = f"{figure['entries']:,} entries, at most {figure['peak_mb']} MB; encoders: {each}"
        case "memory":
            text = f"MB at rest {figure['at_rest_mb']}, after {figure['transfers']:,} transfers {figure['after_transfers_mb']}"
        case "storage":
            text = f"{figure['bytes_per_transfer']:g} bytes for each transfer"
        case _:
            pass
    return text
