"""The tree of app/, and the places that describe it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
MODULES = {path.stem for path in APP.glob("*.py")} - {"__init__"}
PACKAGES = {path.parent.name for path in APP.glob("*/__init__.py")}


def block(document: str, start: str) -> list[str]:
    """The lines of the document's code block whose first line begins with this."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```\w*\n({re.escape(start)}\s.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(found).splitlines()


def test_app_shows_at_most_12_modules_and_12_packages() -> None:
    assert len(MODULES) <= 12
    assert len(PACKAGES) <= 12


def test_the_readmes_map_names_exactly_the_modules_and_packages_of_app() -> None:
    lines = []
    for line in block("README.md", "app/")[1:]:
        if not line.startswith(" "):
            break
        lines.append(line)
    names = [name for line in lines if (found := re.match(r"  ((?:\w+(?:/|\.py) *)+)", line)) for name in found[1].split()]
    assert sorted(names) == sorted({f"{name}.py" for name in MODULES} | {f"{name}/" for name in PACKAGES})


def test_the_architecture_page_shows_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["app"]]
    shown = block("docs/architecture.md", "cli")
    assert [re.findall(r"\w+", line.partition("#")[0]) for line in shown] == [re.findall(r"\w+", layer) for layer in layers]


@pytest.mark.parametrize("init", sorted(APP.glob("**/*/__init__.py")), ids=lambda path: str(path.parent.relative_to(APP)))
def test_a_package_says_what_lives_there_and_what_does_not(init: Path) -> None:
    docstring = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))
    assert docstring is not None
    what, *what_not = docstring.split("\n\n")
    assert what.endswith(".")
    assert len(what_not) == 1, "a second paragraph says what lives elsewhere, and where"
    named = re.findall(r"`([\w/]+(?:/|\.py))`", what_not[0])
    assert named
    for name in named:
        assert (APP / name).exists() or (ROOT / name).exists(), name


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("app.cli", {"sqlalchemy", "graphql", "uvicorn"}),
        ("app.processes.outbox_relay", {"graphql", "strawberry", "alembic", "httpx"}),
        ("app.main", {"alembic", "httpx", "typer", "fpdf", "fontTools"}),
    ],
)
def test_a_process_imports_no_library_that_it_does_not_use(module: str, left_out: set[str]) -> None:
    """Each costs every start of a process up to a quarter of a second, and its memory for as long as it runs."""
    loaded = subprocess.check_output([sys.executable, "-c", f"import sys, {module}\nprint(*sys.modules)"], text=True)
    assert module in loaded.split()
    assert left_out.isdisjoint(loaded.split())
