"""Writes the generated parts of the documentation: `python docs/generate.py`, with `--check` only compares them."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import Settings

SETTINGS = Path(__file__).parent / "reference" / "settings.md"

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


def main() -> None:
    """Write the files, or with --check only tell whether they are fresh."""
    fresh = settings_reference()
    if "--check" not in sys.argv:
        SETTINGS.parent.mkdir(exist_ok=True)
        SETTINGS.write_text(fresh, encoding="utf-8")
    elif SETTINGS.read_text(encoding="utf-8") != fresh:
        sys.exit(f"{SETTINGS.name} is stale: make generate")


if __name__ == "__main__":
    main()
