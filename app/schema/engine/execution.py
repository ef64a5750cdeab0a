"""graphql-core's executor, with a fast path for the commonest field: an attribute that is a scalar or an enum.

The general path builds a path and a resolver info for each field, which takes three quarters of the time of a page of rows.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from graphql import Executor, GraphQLError, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, Undefined, is_leaf_type
from graphql.pyutils import Path
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from app.schema.outcomes import OUTCOME_FIELDS

_PLAIN_FIELDS = "paycore-plain-fields"


@dataclass(frozen=True, slots=True)
class _PlainField:
    attribute: str
    coerce: Callable[[Any], Any]
    """The type's function from the attribute's value to the value in the answer."""


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # graphql-core stores bound methods here, a reference cycle. The operation's objects would then be freed only by the
        # garbage collector, which takes a tenth of the time of a transfer.
        proxy = weakref.proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(Executor.gather_async_work, proxy), track=partial(Executor.track_async_work, proxy)
        )

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Executor for one subscription event, with an empty sub-field cache.

        graphql-core 3.3.2 shares one cache across events. Its entries are never hit again and never freed.
        """
        executor = cast("Execution", super().build_per_event_executor(payload))
        executor._relevant_sub_fields = {}  # noqa: SLF001 - there is no public way to reset it
        return executor

    def execute_field(self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, *rest: Any) -> Any:
        """Run one field of an object. A plain field that is null or fails takes the general path, which places the error."""
        plain = parent_type.extensions.get(_PLAIN_FIELDS, {}).get(field_details_list[0].node.name.value)
        if plain is not None:
            value = getattr(source, plain.attribute, None)
            if value is not None:
                try:
                    coerced = plain.coerce(value)
                except Exception:  # noqa: BLE001 - the general path raises it again, with its place in the answer
                    coerced = None
                if coerced is not None and coerced is not Undefined:
                    return coerced
        return super().execute_field(parent_type, source, field_details_list, *rest)

    def handle_field_error(self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Path) -> None:
        """A failed field is null. For an outcome field the payload is null instead: null in the field would mean a refusal."""
        if (path.typename, field_details_list[0].node.name.value) in OUTCOME_FIELDS:
            return_type = GraphQLNonNull(return_type)
        super().handle_field_error(raw_error, return_type, field_details_list, path)


class ExecutionWithoutSuggestions(Execution):
    """Hides the schema's names in errors about variables, over every transport."""

    @classmethod
    def build(cls, *arguments: Any, **options: Any) -> list[GraphQLError] | Executor[Any]:
        return super().build(*arguments, **{**options, "hide_suggestions": True})


def mark_plain_fields(schema: GraphQLSchema) -> None:
    """Store on each type which of its fields are plain. Called once, when the schema is built."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            found = ((name, _plain(field)) for name, field in type_.fields.items())
            type_.extensions[_PLAIN_FIELDS] = {name: plain for name, plain in found if plain is not None}


def _plain(field: Any) -> _PlainField | None:
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    if not isinstance(definition, StrawberryField) or not definition.is_basic_field or not is_leaf_type(inner):
        return None
    return _PlainField(definition.python_name, inner.coerce_output_value)
