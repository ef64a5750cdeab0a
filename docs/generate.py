"""Writes the generated parts of the documentation, and the dashboard's list of operations: `python -m docs.generate`.

With `--check` it only compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.schema.operation_files import operations_in
from app.schema.persisted import manifest
from app.settings import Settings
from docs import performance_page

HERE = Path(__file__).parent
DASHBOARD = HERE.parent / "frontend-demo"
START, END = "<!-- last run: generated -->\n", "<!-- end of last run -->\n"

HEAD = """# Settings

Generated from `app/settings.py` by `make generate`. Each is an environment variable, read once when a process starts. A secret
can be given as a file instead: `PAYCORE_JWT_SECRET_FILE=/run/secrets/jwt` and so on for those marked.

| variable | default | what it does |
|---|---|---|
"""


def settings_reference() -> str:
    """The table of all settings."""
    return HEAD + "\n".join(_row(name, field) for name, field in Settings.model_fields.items()) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    is_secret = "SecretStr" in str(field.annotation)
    note = " A secret; `_FILE` works." if is_secret else ""
    return f"| `PAYCORE_{name.upper()}` | {_default(field)} | {field.description}{note} |"


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    if isinstance(field.default, SecretStr):
        return "a demo secret"
    return f"`{field.default}`"


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    report = json.loads((HERE / "performance.json").read_text(encoding="utf-8"))
    page = HERE / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    return {
        HERE / "reference" / "settings.md": settings_reference(),
        DASHBOARD / "operations.json": manifest(operations_in(DASHBOARD / "src")),
        HERE / "performance.svg": performance_page.chart(report),
        page: f"{before}{START}\n{performance_page.last_run(report)}\n\n{END}{after}",
    }


def main() -> None:
    """Write the files, or with --check only tell whether they are fresh."""
    for path, fresh in generated().items():
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(fresh, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != fresh:
            sys.exit(f"{path.relative_to(HERE.parent)} is stale: make generate")


if __name__ == "__main__":
    main()
