"""GraphQL descriptions for the values of enums that the services define."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast


def describe_values(enum: type[Enum], descriptions: Mapping[str, str]) -> None:
    """Add descriptions to the values of an enum that is registered with Strawberry already."""
    definition = cast("Any", enum).__strawberry_definition__
    for value in definition.values:
        if value.name in descriptions:
            value.description = descriptions[value.name]
