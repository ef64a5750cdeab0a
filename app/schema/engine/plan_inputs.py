"""Variables and arguments of plans: graphql-core's own coercion, without what is the same for each request.

Whatever is not valid is read again by graphql-core as a whole, which makes the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from graphql import (
    DocumentNode,
    Executor,
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLSkipDirective,
    Node,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_leaf_type,
    is_required_argument,
    visit,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_argument_values,
    get_variable_values,
    input_is_nested_too_deeply,
    maybe_use_default_value,
)
from graphql.utilities.coerce_input_value import coerce_input_literal, coerce_input_value

MAX_COERCION_ERRORS = 50
"""graphql-core's own limit."""
_IMMUTABLE = (str, int, float, bool, type(None), datetime, Enum)
"""Values that all requests may share."""


class VariableReader:
    """The variables of an operation."""

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = definitions
        signatures = [get_variable_signature(schema, definition) for definition in definitions]
        self._variables = [
            (signature, signature.name, signature.type, bool(definition.default_value))
            for signature, definition in zip(signatures, definitions, strict=True)
            if not isinstance(signature, GraphQLError)
        ]

    def read(self, given: dict[str, Any] | None, *, hide_suggestions: bool) -> VariableValues | list[GraphQLError]:
        """The coerced values, or the errors."""
        given = given or {}
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, name, type_, has_default in self._variables:
            value = given.get(name, Undefined)
            if value is Undefined:
                if has_default or isinstance(type_, GraphQLNonNull):
                    return self._read_by_core(given, hide_suggestions=hide_suggestions)
                sources[name] = VariableValueSource(signature)
                continue
            named = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
            if not is_leaf_type(named) and input_is_nested_too_deeply(value, type_):
                return self._read_by_core(given, hide_suggestions=hide_suggestions)
            found = coerce_input_value(value, type_)
            if found is Undefined:
                return self._read_by_core(given, hide_suggestions=hide_suggestions)
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = found
        return VariableValues(sources, coerced)

    def _read_by_core(self, given: dict[str, Any], *, hide_suggestions: bool) -> VariableValues | list[GraphQLError]:
        return get_variable_values(self._schema, self._definitions, given, MAX_COERCION_ERRORS, hide_suggestions)


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """The names of the variables that decide which fields there are: those in `@skip` and `@include`."""
    found: set[str] = set()

    class Conditions(Visitor):
        def enter_directive(self, node: Any, *_: Any) -> None:
            if node.name.value in (GraphQLSkipDirective.name, GraphQLIncludeDirective.name):
                found.update(one.value.name.value for one in node.arguments if isinstance(one.value, VariableNode))

    visit(document, Conditions())
    return tuple(sorted(found))


def argument_reader(field: GraphQLField, node: FieldNode) -> Callable[[Executor[Any]], dict[str, Any]] | None:
    """What reads the arguments of a field, as graphql-core's `get_argument_values`. None if the field takes none."""
    if not field.args and not node.arguments:
        return None

    def read_by_core(execution: Executor[Any]) -> dict[str, Any]:
        return get_argument_values(field, node, execution.variable_values, None, execution.hide_suggestions)

    given = {one.name.value: one.value for one in node.arguments or ()}
    parts = [_part(name, argument, given.get(name)) for name, argument in field.args.items()]
    if any(part is None for part in parts):
        return read_by_core
    known = [part for part in parts if part is not None]

    def read(execution: Executor[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        coerced = execution.variable_values.coerced
        for name, variable, default, is_non_null, is_required in known:
            value = default if variable is None else coerced.get(variable, Undefined)
            if value is Undefined and variable is not None:
                if is_required:
                    return read_by_core(execution)
                value = default
            elif value is None and is_non_null:
                return read_by_core(execution)
            if value is not Undefined:
                found[name] = value
        return found

    return read


def _part(name: str, argument: GraphQLArgument, given: Node | None) -> tuple[str, str | None, Any, bool, bool] | None:
    """An argument's name in Python, its variable, its value without one, and whether it is non-null, and required.

    None if graphql-core must read it for each request: an object or a list, which resolvers might change, or a wrong value.
    """
    out_name = argument.out_name or name
    is_non_null, is_required = isinstance(argument.type, GraphQLNonNull), is_required_argument(argument)
    variable = given.name.value if isinstance(given, VariableNode) else None
    value: Any = Undefined
    if given is None or variable is not None:
        if given is None and is_required:
            return None
        found: dict[str, Any] = {}
        errors: list[Any] = []
        maybe_use_default_value(found, out_name, argument, lambda *error: errors.append(error))
        if errors:
            return None
        value = found.get(out_name, Undefined)
    elif is_leaf_type(argument.type.of_type if isinstance(argument.type, GraphQLNonNull) else argument.type):
        value = _literal(given, argument)
        if value is Undefined:
            return None
    else:
        return None
    if value is not Undefined and not isinstance(value, _IMMUTABLE):
        return None
    return out_name, variable, value, is_non_null, is_required


def _literal(given: Any, argument: GraphQLArgument) -> Any:
    try:
        return coerce_input_literal(given, argument.type)
    except Exception:  # noqa: BLE001 - graphql-core raises it again for each request
        return Undefined
