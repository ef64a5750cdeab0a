"""Compares pyproject.toml with the lock, without a network: `make check` runs it."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_ROOT = Path(__file__).parent.parent
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[a-z,]+\])?==(?P<version>[^ ;]+)")
_ADDRESS = re.compile(r"^(?!\s*#).*(://|--(extra-)?index|--find-links)")


def problems() -> Iterator[str]:
    """One line for each way in which the lock and pyproject.toml disagree."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = list(project["project"]["dependencies"])
    embedded = list(project["project"]["optional-dependencies"]["embedded"])
    running = list(_group(project["dependency-groups"], "run"))
    development = list(_group(project["dependency-groups"], "dev"))
    yield from _compare("requirements/runtime.txt", runtime)
    yield from _compare("requirements/run.txt", [*runtime, *embedded, *running])
    yield from _compare("requirements/dev.txt", [*runtime, *embedded, *development])
    yield from _compare("requirements/build.txt", list(_group(project["dependency-groups"], "build")))
    yield from _compare("requirements/uv.txt", (_ROOT / "requirements/uv.in").read_text(encoding="utf-8").split())
    everything = _pins("requirements/dev.txt")
    for lock in ("requirements/runtime.txt", "requirements/build.txt", "requirements/run.txt"):
        for name, version in _pins(lock).items():
            if everything.get(name) != version:
                yield f"requirements/dev.txt has {name} {everything.get(name)}, {lock} has {version}"


def _group(groups: dict[str, Any], name: str) -> Iterator[str]:
    for member in groups[name]:
        if isinstance(member, str):
            yield member
        else:
            yield from _group(groups, member["include-group"])


def _compare(lock: str, requirements: list[str]) -> Iterator[str]:
    pins = _pins(lock)
    for requirement in map(Requirement, requirements):
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None:
            yield f"{lock} lacks {requirement.name}"
        elif not requirement.specifier.contains(pinned, prereleases=True):
            yield f"{lock} has {requirement.name} {pinned}, pyproject.toml asks for {requirement.specifier}"
    for number, line in enumerate((_ROOT / lock).read_text(encoding="utf-8").splitlines(), start=1):
        if _ADDRESS.search(line):
            yield f"{lock}:{number} names a package index: locks carry none"


def _pins(lock: str) -> dict[str, Version]:
    lines = (_ROOT / lock).read_text(encoding="utf-8").splitlines()
    return {found["name"]: Version(found["version"]) for line in lines if (found := _PIN.match(line))}


if __name__ == "__main__":
    found = list(problems())
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        sys.exit("Run `make lock` and commit the result.")
