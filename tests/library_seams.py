"""The members of libraries that Paycore overrides, with the signatures that it relies on.

`python -m tests.library_seams > tests/unit/library_seams.txt` writes the list that tests/unit/test_library_seams.py compares.
Read the diff before you commit it: each line that changes is an override to look at.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from inspect import Parameter
from typing import Any

import app

_LIBRARIES = frozenset({"asyncpg", "broadcaster", "cross_web", "graphql", "sqlalchemy", "starlette", "strawberry", "uvicorn"})
_SPECIAL = frozenset({"__init__", "__call__"})
_OF_PYTHON = frozenset({"_abc_impl", "_is_protocol", "_is_runtime_protocol"})
# Tables declare class attributes, which is SQLAlchemy's public interface.
_DECLARATIVE = "app.db.models"


def seams() -> list[str]:
    """One line for each override: our class, the library's member, its parameters."""
    lines = set()
    for ours in _our_classes():
        for name in vars(ours):
            if name in _OF_PYTHON or (name.startswith("__") and name not in _SPECIAL):
                continue
            base = next((one for one in ours.__mro__[1:] if name in vars(one) and _is_of_a_library(one)), None)
            if base is not None:
                lines.add(f"{ours.__qualname__}: {base.__module__}.{base.__qualname__}.{name}{_signature(vars(base)[name])}")
    return sorted(lines)


def _is_of_a_library(one: type) -> bool:
    return one.__module__.partition(".")[0] in _LIBRARIES


def _our_classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    for name, loaded in list(sys.modules.items()):
        if name.startswith("app.") and name != _DECLARATIVE:
            for value in vars(loaded).values():
                if inspect.isclass(value) and value.__module__ == name:
                    yield value


def _signature(member: Any) -> str:
    """Names, kinds and whether there is a default. No annotations, which each version of Python writes differently."""
    function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    if not inspect.isroutine(function):
        return ""
    marks: dict[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(function).parameters.values()
    texts = [f"{marks.get(one.kind, '')}{one.name}{'' if one.default is Parameter.empty else '=…'}" for one in parameters]
    keyword_only = next((at for at, one in enumerate(parameters) if one.kind is Parameter.KEYWORD_ONLY), None)
    if keyword_only is not None and not any(one.kind is Parameter.VAR_POSITIONAL for one in parameters):
        texts.insert(keyword_only, "*")
    return f"({', '.join(texts)})"


if __name__ == "__main__":
    sys.stdout.write("\n".join(seams()) + "\n")
