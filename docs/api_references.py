"""References of the two APIs, made from the schema that is executed and from the OpenAPI description that is served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    ast_from_value,
    print_ast,
)

from app.rest.openapi import DESCRIPTION
from app.schema.engine.build import build_schema
from app.settings import Settings
from docs.prose import wrapped

GRAPHQL_HEAD = """# The GraphQL API

Generated from the schema by `make generate`. [schema.graphql](../../schema.graphql) is the schema as a file for tools.
Codes are in [errors.md](errors.md), limits and costs in [harden-graphql.md](../howto/harden-graphql.md), the protocol of
subscriptions in [live-updates.md](../live-updates.md).
"""
REST_HEAD = """# The REST API

Generated from the OpenAPI description by `make generate`. The service serves the description at `/openapi.json`. Each
route takes `Authorization: Bearer TOKEN`. Errors are `application/problem+json`; [errors.md](errors.md) has their codes.
"""


def graphql_reference() -> str:
    """Operations first, then every type by its kind."""
    schema: GraphQLSchema = build_schema(Settings())._schema  # noqa: SLF001 - Strawberry shows it nowhere else
    operations = [
        (schema.query_type, "Queries"),
        (schema.mutation_type, "Mutations"),
        (schema.subscription_type, "Subscriptions"),
    ]
    parts = [GRAPHQL_HEAD]
    for operation, title in operations:
        assert operation is not None
        parts.append(f"\n## {title}\n" + "".join(_field_section(name, field) for name, field in operation.fields.items()))
    roots = {operation for operation, _ in operations}
    types = [type_ for name, type_ in sorted(schema.type_map.items()) if not name.startswith("__") and type_ not in roots]
    for kind, title in (
        (GraphQLObjectType, "Objects"),
        (GraphQLInterfaceType, "Interfaces"),
        (GraphQLUnionType, "Unions"),
        (GraphQLInputObjectType, "Inputs"),
        (GraphQLEnumType, "Enums"),
        (GraphQLScalarType, "Scalars"),
    ):
        found = [type_ for type_ in types if isinstance(type_, kind)]
        if found:
            parts.append(f"\n## {title}\n" + "".join(map(_type_section, found)))
    return "".join(parts)


def rest_reference() -> str:
    """Each route with its parameters, body and answers."""
    parts = [REST_HEAD]
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            parts.append(f"\n## {method.upper()} {path}\n\n{wrapped(operation.get('summary') or operation['description'])}\n")
            rows = [(one["name"], one["in"], one.get("description", "")) for one in _resolved(operation.get("parameters", []))]
            parts.append(_table(("parameter", "in", ""), ((f"`{name}`", place, text) for name, place, text in rows)))
            if "requestBody" in operation:
                parts.append(_body(operation["requestBody"]))
            answers = ((f"{status}", one["description"]) for status, one in operation["responses"].items())
            parts.append(_table(("answer", ""), answers))
    return "".join(parts)


def _body(body: dict[str, Any]) -> str:
    schema = body["content"]["application/json"]["schema"]
    schema = _resolved([schema])[0]
    required = schema.get("required", [])
    rows = ((f"`{name}`", "yes" if name in required else "no", _one_line(one)) for name, one in schema["properties"].items())
    return _table(("member of the body", "required", ""), rows)


def _resolved(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """References of the description, followed."""
    followed = []
    for one in given:
        found: Any = one
        if "$ref" in one:
            found = DESCRIPTION
            for step in one["$ref"].removeprefix("#/").split("/"):
                found = found[step]
        followed.append(found)
    return followed


def _one_line(schema: dict[str, Any]) -> str:
    schema = _resolved([schema])[0]
    type_ = schema.get("type", "")
    return _plain(schema.get("description", " or ".join(type_) if isinstance(type_, list) else type_))


def _field_section(name: str, field: Any) -> str:
    text = f"\n### {name}: {field.type}\n\n{wrapped(field.description or '')}".rstrip() + "\n"
    return text + _table(("argument", "type", ""), (_argument(*one) for one in field.args.items()))


def _argument(name: str, argument: GraphQLArgument) -> tuple[str, str, str]:
    text = _plain(argument.description)
    if argument.default_value is not Undefined and argument.default_value is not None:
        default = ast_from_value(argument.default_value, argument.type)
        assert default is not None
        text = f"{text} Default: `{print_ast(default)}`.".strip()
    return f"`{name}`", f"`{argument.type}`", text


def _type_section(type_: GraphQLNamedType) -> str:
    text = f"\n### {type_.name}\n\n{wrapped(type_.description or '')}".rstrip() + "\n"
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        if type_.interfaces:
            text += "\nImplements " + ", ".join(f"`{one.name}`" for one in type_.interfaces) + ".\n"
        rows = ((_signature(name, field), f"`{field.type}`", _plain(field.description)) for name, field in type_.fields.items())
        return text + _table(("field", "type", ""), rows)
    if isinstance(type_, GraphQLInputObjectType):
        return text + _table(("field", "type", ""), (_argument(name, field) for name, field in type_.fields.items()))
    if isinstance(type_, GraphQLEnumType):
        return text + _table(("value", ""), ((f"`{name}`", _plain(one.description)) for name, one in type_.values.items()))
    if isinstance(type_, GraphQLUnionType):
        return text + "\nOne of " + ", ".join(f"`{one.name}`" for one in type_.types) + ".\n"
    return text


def _signature(name: str, field: Any) -> str:
    return f"`{name}({', '.join(field.args)})`" if field.args else f"`{name}`"


def _plain(text: str | None) -> str:
    """In one line, as a table's cell must be."""
    return " ".join((text or "").split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""]) if lines else ""
