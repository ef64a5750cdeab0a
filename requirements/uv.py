"""Runs uv with the package index, certificates and proxy that pip is configured with on this machine.

uv reads its own UV_* variables only. Those who have set up pip (PIP_INDEX_URL, pip.conf, a company certificate) should
not have to do it twice. What UV_* says already is left alone, and no address ever stands in this repository.
"""

from __future__ import annotations

import ast
import os
import platform
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_SECTIONS = ("global.", "install.", ":env:.")
"""Where pip takes `pip install` options from, the strongest last."""


def pip_options() -> dict[str, str]:
    """What pip is configured with, in its files and the environment, by option name."""
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = {}
    for section in _SECTIONS:
        for line in listing.splitlines():
            name, separator, value = line.partition("=")
            if separator and name.startswith(section):
                found[name.removeprefix(section)] = str(ast.literal_eval(value))
    return found


def uv_environment(options: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell uv what `options` tell pip, as far as `environment` does not say it already."""
    wanted: dict[str, str] = {}
    if "index-url" in options and "UV_INDEX_URL" not in environment:
        wanted["UV_DEFAULT_INDEX"] = options["index-url"]
    if "extra-index-url" in options and "UV_EXTRA_INDEX_URL" not in environment:
        wanted["UV_INDEX"] = " ".join(options["extra-index-url"].split())
        # As pip does; hashes already decide what may be installed, from whichever index it comes.
        wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    links = [link for link in options.get("find-links", "").split() if "://" in link or Path(link).exists()]
    if links:
        wanted["UV_FIND_LINKS"] = ",".join(links)
    if "trusted-host" in options:
        wanted["UV_INSECURE_HOST"] = " ".join(options["trusted-host"].split())
    if "cert" in options:
        wanted["SSL_CERT_FILE"] = options["cert"]
    elif "SSL_CERT_FILE" not in environment and _system_certificates():
        wanted["UV_SYSTEM_CERTS"] = "true"
    if "proxy" in options:
        wanted["ALL_PROXY"] = options["proxy"]
    if "timeout" in options or "default-timeout" in options:
        wanted["UV_HTTP_TIMEOUT"] = str(int(float(options.get("timeout") or options["default-timeout"])))
    return {name: value for name, value in wanted.items() if name not in environment}


def _system_certificates() -> bool:
    """Whether the machine has certificates of its own; uv brings some for where it has none."""
    paths = ssl.get_default_verify_paths()
    return platform.system() == "Darwin" or bool(paths.cafile or paths.capath)


def main() -> None:
    """Becomes uv."""
    options = pip_options()
    environment = {"UV_PYTHON_DOWNLOADS": "never", **uv_environment(options, os.environ), **os.environ}
    arguments = sys.argv[1:]
    if options.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        arguments.append("--no-index")
    uv = str(Path(sys.executable).parent / "uv")
    os.execve(uv, [uv, *arguments], environment)


if __name__ == "__main__":
    main()
