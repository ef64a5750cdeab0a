"""graphql-core's executor, with a short way for the commonest field: an attribute that is a scalar or an enum.

The general way builds a path and a resolver's info for each of them: three quarters of the time of a page of rows.
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
    """The type's own way to what stands in the answer."""


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # With bound methods, as graphql-core has them, it would point at itself: nothing of an operation would be freed with its
        # last use, and finding it costs the garbage collector a tenth of a transfer.
        me = weakref.proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(Executor.gather_async_work, me), track=partial(Executor.track_async_work, me)
        )

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """One event of a subscription. Without what earlier ones looked up: nothing of it is ever found again, nor freed."""
        executor = cast("Execution", super().build_per_event_executor(payload))
        executor._relevant_sub_fields = {}  # noqa: SLF001 - graphql-core 3.3.2 hands all events the same, which grows for ever
        return executor

    def execute_field(self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, *rest: Any) -> Any:
        """One field of an object. Whatever is unusual about a plain one, an error above all, goes the general way."""
        plain = parent_type.extensions.get(_PLAIN_FIELDS, {}).get(field_details_list[0].node.name.value)
        if plain is not None:
            value = getattr(source, plain.attribute, None)
            if value is not None:
                try:
                    coerced = plain.coerce(value)
                except Exception:  # noqa: BLE001 - raised again, with its place in the answer, by the general way
                    coerced = None
                if coerced is not None and coerced is not Undefined:
                    return coerced
        return super().execute_field(parent_type, source, field_details_list, *rest)

    def handle_field_error(self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Path) -> None:
        """A field that failed is null. The outcome in a payload is not: with no refusal beside it, it would say nothing."""
        if (path.typename, field_details_list[0].node.name.value) in OUTCOME_FIELDS:
            return_type = GraphQLNonNull(return_type)
        super().handle_field_error(raw_error, return_type, field_details_list, path)


class DiscreetExecution(Execution):
    """Suggests no names in errors about variables, whichever way an operation comes."""

    @classmethod
    def build(cls, *arguments: Any, **options: Any) -> list[GraphQLError] | Executor[Any]:
        """As graphql-core has it."""
        return super().build(*arguments, **{**options, "hide_suggestions": True})


def note_plain_fields(schema: GraphQLSchema) -> None:
    """Note on each type which of its fields are plain. To be called once, when the schema is built."""
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
