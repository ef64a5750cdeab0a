"""Writes the generated parts of the documentation: `python -m docs.generate`.

With `--check` it only compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from docs import api_references, performance_page, references

HERE = Path(__file__).parent
START, END = "<!-- last run: generated -->\n", "<!-- end of last run -->\n"


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    report = json.loads((HERE / "performance.json").read_text(encoding="utf-8"))
    page = HERE / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    return {
        HERE / "reference" / "settings.md": references.settings_reference(),
        HERE / "reference" / "metrics.md": references.metrics_reference(),
        HERE / "reference" / "errors.md": references.errors_reference(),
        HERE / "reference" / "graphql.md": api_references.graphql_reference(),
        HERE / "reference" / "rest.md": api_references.rest_reference(),
        HERE / "performance.svg": performance_page.chart(report),
        page: f"{before}{START}\n{performance_page.last_run(report)}\n\n{END}{after}",
    }


def main() -> None:
    """Write the files. With `--check` only compare them, and exit with an error if one is stale."""
    for path, fresh in generated().items():
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(fresh, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != fresh:
            sys.exit(f"{path.relative_to(HERE.parent)} is stale: make generate")


if __name__ == "__main__":
    main()
