"""The generated part of performance.md, and its chart: from performance.json, which is the build/bench.json of a full run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docs.prose import wrapped

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 760, 26, 190, 90, 34
_BARS = (
    ("interactive", "pgbench, interactive", "baseline"),
    ("sql_function", "pgbench, one function", "baseline"),
    ("single", "single", "paycore"),
    ("growth_single", "single, grown ledger", "paycore"),
    ("hot_in", "hot_in", "paycore"),
    ("hot_out", "hot_out", "paycore"),
    ("refused", "refused", "paycore"),
    ("rest", "rest", "paycore"),
    ("replay", "replay", "paycore"),
    ("batch", "batch", "paycore"),
    ("growth_batch", "batch, grown ledger", "paycore"),
)
_COLOURS = {"baseline": "#9ca3af", "paycore": "#0f766e"}
_TEXT = "#6b7280"


def last_run(report: Mapping[str, Any]) -> str:
    """The tables of the last run, in Markdown."""
    machine = report["machine"]
    head = (
        f"Finished {report['finished_at'][:10]}, profile `{report['profile']}`: {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}, PostgreSQL {machine['postgresql']}; load "
        "generator, servers and service on the same machine."
    )
    return "\n\n".join(
        [wrapped(head), "![Transfers a second](performance.svg)", _targets(report), _latencies(report), _footprint(report)]
    )


def _targets(report: Mapping[str, Any]) -> str:
    rows = ["| figure | reached | wanted | |", "|---|---|---|---|"]
    for name, target in report["targets"].items():
        wanted = f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"
        rows.append(f"| `{name}` | {report['ratios'][name]:g} | {wanted} | {'reached' if target['met'] else '**missed**'} |")
    return "\n".join(rows)


def _latencies(report: Mapping[str, Any]) -> str:
    latency, live = report["figures"]["latency"], report["figures"]["live"]
    rows = ["| load | transfers/s | p50 ms | p95 ms | p99 ms |", "|---|---|---|---|---|"]
    for percent in (10, 50, 80):
        at = latency[f"at_{percent}_percent"]
        rows.append(f"| {percent} % | {at['per_second']:,.0f} | {at['p50_ms']:g} | {at['p95_ms']:g} | {at['p99_ms']:g} |")
    rows.append(
        f"| to a subscriber, at 50 % | {live['transfers_per_second']:,.0f} | {live['p50_ms']:g} | {live['p95_ms']:g} "
        f"| {live['p99_ms']:g} |"
    )
    # Runs from before this was measured are without it.
    if "fan_out" in report["figures"]:
        rows += _fan_out(report["figures"]["fan_out"])
    return "\n".join(rows)


def _fan_out(figure: Mapping[str, Any]) -> list[str]:
    rate = figure["per_second"] / figure["subscribers"]
    return [
        f"| to {whom} of {figure['subscribers']:,} sockets on one wallet and one API process | {rate:,.2g} | {at['p50_ms']:g} "
        f"| {at['p95_ms']:g} | {at['p99_ms']:g} |"
        for whom, at in (("each", figure["each"]), ("the last", figure["last"]))
    ]


def _footprint(report: Mapping[str, Any]) -> str:
    memory, storage, read = (report["figures"][name] for name in ("memory", "storage", "read"))
    lines = [
        (
            f"Memory in MB, all API workers together and the relay: at rest {_pair(memory['at_rest_mb'])}; after warm-up "
            f"{_pair(memory['after_warm_up_mb'])}; "
            f"after {memory['transfers']:,} transfers {_pair(memory['after_transfers_mb'])}; "
            f"with {memory['subscribers']:,} subscribers {_pair(memory['with_subscribers_mb'])}."
        ),
        f"Bytes on disk for each transfer: {storage['bytes_per_transfer']:g} ("
        + ", ".join(f"{name.replace('_', ' ')} {size:g}" for name, size in storage["breakdown"].items())
        + ")."
        + _beside(storage.get("beside", {})),
        (
            f"Reads a second: first page of 20 {read['first_20']:g}, deepest {read['deepest_20']:g}; first page of 100 "
            f"{read['first_100']:g}, deepest {read['deepest_100']:g}; `viewer` with ten wallets {read['viewer']:g}."
        ),
    ]
    # Runs from before these were measured are without them.
    if "rest_first_20" in read:
        lines.append(
            f"By REST: first page of 20 {read['rest_first_20']:g}, one wallet {read['rest_wallet']:g}. One wallet by GraphQL "
            f"{read['wallet']:g}."
        )
    if "fan_out" in report["figures"]:
        fan_out, catch_up = report["figures"]["fan_out"], report["figures"]["catch_up"]
        lines.append(
            f"One API process with {fan_out['subscribers']:,} sockets: {fan_out['kilobytes_per_socket']:g} kB for each, "
            f"{fan_out['kilobytes_per_socket_after_transfers']:g} kB after {fan_out['transfers']:,} transfers; "
            f"{fan_out['per_second']:,.0f} updates a second. A relay that finds {catch_up['events']:,} events waiting: "
            f"{catch_up['per_second']:,.0f} a second, {catch_up['seconds']:g} s in all."
        )
    return "\n\n".join(map(wrapped, lines))


def _beside(sizes: Mapping[str, float]) -> str:
    """Empty for runs from before these were measured."""
    return "".join(f" {name.replace('_', ' ').capitalize()}: {size:g}." for name, size in sizes.items())


def _pair(memory: Mapping[str, float]) -> str:
    return f"{memory['api']:g} + {memory['relay']:g}"


def chart(report: Mapping[str, Any]) -> str:
    """The rates as bars, in SVG; readable on light and dark."""
    rates = {**report["baselines"], **{name: figure["per_second"] for name, figure in report["figures"].items()}}
    largest = max(rates[name] for name, _, _ in _BARS)
    height = _TOP + _ROW * len(_BARS) + 8
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
            'font-family="system-ui, sans-serif" font-size="13" role="img">'
        ),
        f'<title>Transfers a second</title><text x="0" y="18" fill="{_TEXT}" font-weight="600">Transfers a second</text>',
    ]
    for row, (name, label, kind) in enumerate(_BARS):
        y = _TOP + row * _ROW
        length = round((_WIDTH - _LEFT - _RIGHT) * rates[name] / largest, 1)
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 14}" fill="{_TEXT}" text-anchor="end">{label}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{length}" height="{_ROW - 8}" rx="3" fill="{_COLOURS[kind]}"/>',
            f'<text x="{_LEFT + length + 8}" y="{y + 14}" fill="{_TEXT}">{rates[name]:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
