"""Plans: the fields of an operation, compiled to closures that do what graphql-core would do for them.

graphql-core interprets an operation. For each field of each row it looks up the field in the schema, builds a path and a
resolver's info, reads the arguments, calls the resolver, asks whether the value can be awaited, and asks for its type. All but
the call gives the same result for every row of every request, so a plan does it once.

**What there is.** A `Planner` belongs to one operation of a cached document. It has a `Plan` for each combination of the values
of the variables in `@skip` and `@include`, because these decide which fields there are. A plan has a `Selection` for each
place of the document and each object type that was found there. A selection is a list of response names and closures. A closure
takes the running execution, the parent object and its path, and returns the finished value or something to await.

**How it runs.** `Execution` (in `execution.py`) is graphql-core's executor. It holds all state of a request: variables, context,
errors. It asks its plan where graphql-core would collect the fields of an object, and otherwise is as it was. So a plan may
leave any value to graphql-core: it passes the value to the method of the executor that would have had it, and the fields below
come back to the plan. It does that with all that is rare: errors, interfaces, values that are not what the schema's Python types
say. Only what is common has closures here:

- an attribute of a Strawberry object that is a scalar or an enum (`_leaf_field`), or an object or a list (`_attribute_field`),
- a resolver (`_resolver_field`), with its arguments (`plan_inputs.py`),
- lists, objects and non-null types around these (`_Completers`).

The rows of a list are first run without paths, and without an info for each (`Plain`). The first row about which something is
special, and those after it, are run again in the full way. So a resolver that is not `async` may be called twice for a row: it
must change nothing.

**What must stay the same.** Answers are equal byte for byte, errors with their order and paths included
(`tests/unit/test_plans.py` compares both on generated documents). Above all:

- Resolvers are called in the order of the document. Fields that wait run at the same time, each in a task, and the order in
  which they end is the order of their errors. So a plan makes tasks exactly where graphql-core makes them.
- An error in a non-null field leaves the object at once. What its siblings still wait for is finished in the background.
- A field that fails is placed by `handle_field_error`, which `Execution` overrides for the outcomes of mutations.

**What has no plan.** Introspection, documents with hundreds of fields, and the first run of each document: most documents that
are only sent once would not earn back what compiling takes. graphql-core runs these as a whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, cached_property, partial
from inspect import iscoroutinefunction
from operator import attrgetter
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, GroupedFieldSet, collect_fields, collect_subfields
from graphql.execution.executor import collect_iterator_awaitables, to_nodes
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from app.schema.engine.limits import count_fields
from app.schema.engine.plan_inputs import VariableReader, argument_reader, condition_variables

if TYPE_CHECKING:
    from app.schema.engine.execution import Execution

_MAX_FIELDS = 300
"""Fields of an operation that has plans."""
_MAX_PLANS = 4
"""Plans of one operation: combinations of the values of its conditions."""
_TOKENS_PER_FIELD = 5
"""Memory of a compiled field, 2.3 kilobytes, in tokens of the document cache."""
_INTROSPECTION = ("__schema", "__type")
_CAST = "__as_strawberry_type__"
"""The attribute by which `strawberry.cast` makes an object one of another type."""

Value: TypeAlias = Any
"""A part of an answer, or an awaitable of one."""
MakeInfo: TypeAlias = Callable[[], Any]
Resolve: TypeAlias = "Callable[[Execution, Any, MakeInfo], Any]"
"""Calls a field's resolver: takes the execution, the object and what makes the resolver's info."""
Run: TypeAlias = "Callable[[Execution, Any, Path | None], Value]"
"""Runs a field of an object: takes the execution, the object and the object's path."""
Plain: TypeAlias = Callable[[Any], Any]
"""Runs a field of an object, or all of its fields, where nothing is special: takes the object and returns what is in the answer.
Raises anything at all where something is: then the fields of the object are run again, by their `Run`."""
BindPlain: TypeAlias = "Callable[[Execution], Plain]"
"""Makes a `Plain` for the objects of one list. Resolvers get one info for all of them, without a path."""
BindRead: TypeAlias = "Callable[[Execution], Callable[[Any], Any]]"
"""Makes what takes a field's value from an object, for the objects of one list."""
FindPlain: TypeAlias = "Callable[[], BindPlain | None]"
Complete: TypeAlias = "Callable[[Execution, MakeInfo, Path, Any], Value]"
"""Completes a resolved value: takes the execution, what makes the resolver's info, the path and the value."""

_plain_types: set[type] = {type(None), bool, int, float, str, list, dict}
"""Types whose values are neither exceptions nor awaitable. Grows by the types that are met."""


def _is_plain(type_: type) -> bool:
    """Whether values of this type, which is new, are neither exceptions nor awaitable."""
    is_plain = not (issubclass(type_, (BaseException, CoroutineType, GeneratorType)) or hasattr(type_, "__await__"))
    if is_plain:
        _plain_types.add(type_)
    return is_plain


class DocumentFacts:
    """What the operations of a document share. Found once, because a document may have hundreds of operations."""

    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self.fragments = {
            one.name.value: FragmentDetails(one) for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self.conditions = condition_variables(document)
        self.introspects = _introspects(document)


class Planner:
    """The plans of one operation."""

    def __init__(self, schema: GraphQLSchema, facts: DocumentFacts, operation: OperationDefinitionNode) -> None:
        self.operation = operation
        self.fragments = facts.fragments
        self.fragment_definitions = {name: details.definition for name, details in self.fragments.items()}
        self.variables = VariableReader(schema, operation.variable_definitions or ())
        self.schema = schema
        self._conditions = facts.conditions
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._has_run = False
        fields = count_fields(facts.document, operation)
        self._is_small = fields <= _MAX_FIELDS and not facts.introspects
        plans = min(2 ** len(self._conditions), _MAX_PLANS) if self._is_small else 0
        self.size = _TOKENS_PER_FIELD * fields * plans
        """The memory that the plans may take, in tokens."""

    def is_due(self) -> bool:
        """Whether the operation is run by a plan this time: not the first time."""
        is_due = self._has_run and self._is_small
        self._has_run = True
        return is_due

    def plan(self, variables: dict[str, Any]) -> Plan | None:
        """The plan for these coerced variables, or None if there is none."""
        key = tuple([variables.get(name) for name in self._conditions])
        found = self._plans.get(key)
        if found is None and len(self._plans) < _MAX_PLANS and all(type(value) is bool for value in key):
            found = self._plans[key] = Plan(self, dict(zip(self._conditions, key, strict=True)))
        return found


class Plan:
    """The fields of one operation for one set of values of its conditions, compiled when they are first met."""

    def __init__(self, planner: Planner, conditions: dict[str, Any]) -> None:
        self.schema = planner.schema
        self._planner = planner
        self._values = VariableValues({}, conditions)
        self._selections: dict[tuple[str, int], tuple[FieldDetailsList, Selection]] = {}
        root = planner.schema.get_root_type(planner.operation.operation)
        assert root is not None, "a valid document selects only what the schema has"
        fields = collect_fields(planner.schema, planner.fragments, self._values, root, planner.operation).grouped_field_set
        self.root = self._compiled(root, fields)

    def selection(self, type_: GraphQLObjectType, place: FieldDetailsList) -> Selection:
        """The fields of objects of this type at this place."""
        key = (type_.name, id(place))
        found = self._selections.get(key)
        if found is not None:
            return found[1]
        planner = self._planner
        fields = collect_subfields(planner.schema, planner.fragments, self._values, planner.operation, type_, place)
        selection = self._compiled(type_, fields.grouped_field_set)
        # The list of nodes is kept, so that its id stays its own.
        self._selections[key] = place, selection
        return selection

    def _compiled(self, type_: GraphQLObjectType, fields: GroupedFieldSet) -> Selection:
        return Selection([(name, *self._field(type_, name, place)) for name, place in fields.items()])

    def _field(self, parent: GraphQLObjectType, name: str, place: FieldDetailsList) -> tuple[Run, FindPlain]:
        field_name = place[0].node.name.value
        if field_name == "__typename":
            type_name = parent.name
            return (lambda _execution, _source, _path: type_name), (lambda: lambda _execution: lambda _source: type_name)
        field = self.schema.get_field(parent, field_name)
        assert field is not None, "a valid document selects only what the schema has"
        complete = _Completers(self, parent, field_name, place).of(field.type)
        definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        direct = _direct(self.schema, definition, field) if isinstance(definition, StrawberryField) else None
        run = _resolver_field(parent, name, place, field, direct or _resolver(field, place), complete)
        if not isinstance(definition, StrawberryField):
            return run, _never
        if direct is not None:
            bind = _bind_resolver(self.schema, definition, parent, field, place)
            if bind is None:
                return run, _never
            return run, self._find_plain(bind, field.type, place)
        attribute = definition.python_name
        if not definition.is_basic_field or field.args:
            return run, _never
        if is_leaf_type(_nullable(field.type)):
            run = _leaf_field(attribute, field.type, run)
        else:
            run = _attribute_field(parent, name, place, field, attribute, complete, run)
        read = attrgetter(attribute)
        return run, self._find_plain(lambda _execution: read, field.type, place)

    def _find_plain(self, bind_read: BindRead, type_: GraphQLOutputType, place: FieldDetailsList) -> FindPlain:
        """For a leaf or an object."""
        is_nullable, inner = not isinstance(type_, GraphQLNonNull), _nullable(type_)
        if is_leaf_type(inner):
            coerce = _coercion(inner)
            return lambda: lambda execution: _plain_leaf(bind_read(execution), coerce, is_nullable=is_nullable)

        def find() -> BindPlain | None:
            bind_object = self.plain(inner, place)
            return None if bind_object is None else partial(_plain_object, bind_read, bind_object, is_nullable=is_nullable)

        return find

    def plain(self, type_: GraphQLOutputType, place: FieldDetailsList) -> BindPlain | None:
        """What runs all fields of an object, if all of them are plain."""
        own = _class_of(type_)
        fields = None if own is None else self.selection(cast("GraphQLObjectType", type_), place).plain
        if fields is None:
            return None

        def bind(execution: Execution) -> Plain:
            bound = [(name, bind_field(execution)) for name, bind_field in fields]

            def run(value: Any) -> Any:
                if type(value) is not own or getattr(value, _CAST, None) is not None:
                    raise _NotPlain(value)
                return {name: read(value) for name, read in bound}

            return run

        return bind


class _NotPlain(Exception):
    """Something is special about a value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        if type(value) is CoroutineType:
            # The resolver is called again, and makes another one.
            value.close()


class _NoPath:
    """The path in the info that a resolver gets for all objects of a list. One that looks at it is called again, with its own."""

    def __getattr__(self, name: str) -> Any:
        raise _NotPlain(None)


_NO_PATH = cast("Path", _NoPath())


def _never() -> BindPlain | None:
    return None


def _class_of(type_: GraphQLOutputType) -> type | None:
    """The class whose instances are of this type without a further check: Strawberry's check accepts each that was not cast.

    For a type that is made of a generic one, such as `WalletEdge`, that is the generic class.
    """
    definition: Any = (
        type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF) if isinstance(type_, GraphQLObjectType) else None
    )
    if definition is None or definition.is_type_of:
        return None
    class_: type = (definition.concrete_of or definition).origin
    return class_


class Selection:
    """The fields of an object: response names, and what runs each."""

    def __init__(self, fields: Sequence[tuple[str, Run, FindPlain]]) -> None:
        self._fields = [(name, run) for name, run, _ in fields]
        self._finders = [(name, find) for name, _, find in fields]

    @cached_property
    def plain(self) -> list[tuple[str, BindPlain]] | None:
        """What runs each field where nothing is special. None if a field has no such thing."""
        found = [(name, find()) for name, find in self._finders]
        return None if any(plain is None for _, plain in found) else cast("list[tuple[str, BindPlain]]", found)

    def execute(self, execution: Execution, source: Any, path: Path | None) -> Value:
        """Run all fields. As graphql-core's `execute_fields`."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for name, run in self._fields:
                value = results[name] = run(execution, source, path)
                if type(value) not in _plain_types and optimized_is_awaitable(value):
                    waiting.append(name)
        except Exception:
            if waiting:
                execution.settle_in_background([results[name] for name in waiting])
            raise
        return _awaited_fields(results, waiting) if waiting else results

    def execute_serially(self, execution: Execution, source: Any) -> Value:
        """Run one field after the other. As graphql-core's `execute_fields_serially`."""
        results: dict[str, Any] = {}
        fields = iter(self._fields)
        for name, run in fields:
            value = run(execution, source, None)
            if type(value) not in _plain_types and optimized_is_awaitable(value):
                return _serially(execution, source, results, name, value, fields)
            results[name] = value
        return results


async def _awaited_fields(results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    if len(waiting) == 1:
        (name,) = waiting
        results[name] = await results[name]
    else:
        found = await gather_with_cancel(*[results[name] for name in waiting])
        results.update(zip(waiting, found, strict=True))
    return results


async def _serially(
    execution: Execution, source: Any, results: dict[str, Any], name: str, value: Awaitable[Any], fields: Any
) -> dict[str, Any]:
    results[name] = await value
    for following, run in fields:
        value = run(execution, source, None)
        is_waiting = type(value) not in _plain_types and optimized_is_awaitable(value)
        results[following] = await value if is_waiting else value
    return results


def _leaf_field(attribute: str, type_: GraphQLOutputType, otherwise: Run) -> Run:
    """A scalar or an enum that is an attribute. What is not a value of the type is run by `otherwise`, which places the error."""
    is_nullable = not isinstance(type_, GraphQLNonNull)
    coerce: Callable[[Any], Any] = _coercion(_nullable(type_))

    def run(execution: Execution, source: Any, path: Path | None) -> Value:
        try:
            value = getattr(source, attribute)
            if value is None:
                if is_nullable:
                    return None
            elif type(value) in _plain_types or _is_plain(type(value)):
                coerced = coerce(value)
                if coerced is not None and coerced is not Undefined:
                    return coerced
        except Exception:  # noqa: BLE001, S110 - raised again below, with its place in the answer
            pass
        return otherwise(execution, source, path)

    return run


def _plain_leaf(read: Callable[[Any], Any], coerce: Callable[[Any], Any], *, is_nullable: bool) -> Plain:
    def run(source: Any) -> Any:
        value = read(source)
        if value is None and is_nullable:
            return None
        if type(value) not in _plain_types or (coerced := coerce(value)) is None or coerced is Undefined:
            raise _NotPlain(value)
        return coerced

    return run


def _plain_object(bind_read: BindRead, bind_object: BindPlain, execution: Execution, *, is_nullable: bool) -> Plain:
    read, complete = bind_read(execution), bind_object(execution)
    if is_nullable:
        return lambda source: None if (value := read(source)) is None else complete(value)
    return lambda source: complete(read(source))


def _coercion(type_: Any) -> Callable[[Any], Any]:
    """The type's function from a value to what is in the answer. Of an enum it is looked up."""
    coerce: Callable[[Any], Any] = type_.coerce_output_value
    members = getattr(type_, "wrapped_cls", None)
    if members is None:
        return coerce
    names = {member: coerce(member) for member in members}
    return lambda value: names[value] if type(value) is members else coerce(value)


def _attribute_field(
    parent: GraphQLObjectType,
    name: str,
    place: FieldDetailsList,
    field: GraphQLField,
    attribute: str,
    complete: Complete,
    otherwise: Run,
) -> Run:
    """An object or a list that is an attribute. The info of its resolver is only made if something asks for it."""
    parent_name, type_, nodes, read = parent.name, field.type, to_nodes(place), attrgetter(attribute)

    def run(execution: Execution, source: Any, path: Path | None) -> Value:
        try:
            value = read(source)
        except Exception:  # noqa: BLE001 - raised again by the other way, with its place in the answer
            return otherwise(execution, source, path)
        if type(value) not in _plain_types and not _is_plain(type(value)):
            return otherwise(execution, source, path)
        here = Path(path, name, parent_name)
        try:
            completed = complete(execution, lambda: execution.build_resolve_info(field, nodes, parent, here), here, value)
            if type(completed) not in _plain_types and optimized_is_awaitable(completed):
                return _awaited(execution, completed, type_, place, here)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            execution.handle_field_error(error, type_, place, here)
            return None
        return completed

    return run


def _direct(schema: GraphQLSchema, definition: StrawberryField, field: GraphQLField) -> Resolve | None:
    """The function that a resolver of Strawberry calls in the end, for a field without arguments and extensions."""
    base = definition.base_resolver
    strawberry_schema: Any = getattr(schema, "_strawberry_schema", None)
    if strawberry_schema is None or strawberry_schema.exception_handlers or base is None or field.args or definition.extensions:
        return None
    if definition.is_subscription or base.parent_parameter or base.root_parameter or not base.self_parameter:
        # The resolver of a subscription passes each event on; its function makes the stream.
        return None
    function, info_class = cast("Callable[..., Any]", base.wrapped_func), strawberry_schema.config.info_class
    if base.info_parameter is None:
        return lambda _execution, source, _info: function(source)
    name = base.info_parameter.name
    return lambda _execution, source, info: function(source, **{name: info_class(_raw_info=info(), _field=definition)})


def _bind_resolver(
    schema: GraphQLSchema, definition: StrawberryField, parent: GraphQLObjectType, field: GraphQLField, place: FieldDetailsList
) -> BindRead | None:
    """For a field that `_direct` has a function for. None if its values must always be awaited."""
    base: Any = definition.base_resolver
    function = base.wrapped_func
    if iscoroutinefunction(function):
        return None
    if base.info_parameter is None:
        return lambda _execution: function
    strawberry_schema: Any = getattr(schema, "_strawberry_schema", None)
    info_class, name, nodes = strawberry_schema.config.info_class, base.info_parameter.name, to_nodes(place)

    def bind(execution: Execution) -> Callable[[Any], Any]:
        raw = execution.build_resolve_info(field, nodes, parent, _NO_PATH)
        return partial(function, **{name: info_class(_raw_info=raw, _field=definition)})

    return bind


def _resolver(field: GraphQLField, place: FieldDetailsList) -> Resolve:
    """The resolver that the schema has, with the arguments of the document."""
    resolver, arguments = field.resolve, argument_reader(field, place[0].node)
    if arguments is None:
        return lambda execution, source, info: (resolver or execution.field_resolver)(source, info())
    return lambda execution, source, info: (resolver or execution.field_resolver)(source, info(), **arguments(execution))


def _resolver_field(
    parent: GraphQLObjectType, name: str, place: FieldDetailsList, field: GraphQLField, resolve: Resolve, complete: Complete
) -> Run:
    """A field with a resolver. As graphql-core's `execute_field`, but the info is only made if something asks for it."""
    parent_name, type_, nodes = parent.name, field.type, to_nodes(place)

    def run(execution: Execution, source: Any, path: Path | None) -> Value:
        here = Path(path, name, parent_name)

        def info() -> Any:
            return execution.build_resolve_info(field, nodes, parent, here)

        try:
            value = resolve(execution, source, info)
            if type(value) not in _plain_types and not _is_plain(type(value)) and optimized_is_awaitable(value):
                return _completed(execution, value, complete, info, type_, place, here)
            completed = complete(execution, info, here, value)
            if type(completed) not in _plain_types and optimized_is_awaitable(completed):
                return _awaited(execution, completed, type_, place, here)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            execution.handle_field_error(error, type_, place, here)
            return None
        return completed

    return run


async def _completed(
    execution: Execution,
    value: Awaitable[Any],
    complete: Complete,
    info: MakeInfo,
    type_: GraphQLOutputType,
    place: FieldDetailsList,
    path: Path,
) -> Any:
    try:
        completed = complete(execution, info, path, await value)
        if type(completed) not in _plain_types and optimized_is_awaitable(completed):
            completed = await completed
    except Exception as error:  # noqa: BLE001 - as graphql-core does
        execution.handle_field_error(error, type_, place, path)
        return None
    return completed


async def _awaited(
    execution: Execution, completed: Awaitable[Any], type_: GraphQLOutputType, place: FieldDetailsList, path: Path
) -> Any:
    try:
        return await completed
    except Exception as error:  # noqa: BLE001 - as graphql-core does
        execution.handle_field_error(error, type_, place, path)
        return None


class _Completers:
    """Makes what completes the values of one field, by their types. As graphql-core's `complete_value`."""

    def __init__(self, plan: Plan, parent: GraphQLObjectType, field_name: str, place: FieldDetailsList) -> None:
        self._plan = plan
        self._place = place
        self._null_message = f"Cannot return null for non-nullable field {parent}.{field_name}."

    def of(self, type_: GraphQLOutputType) -> Complete:
        """What completes a value of this type."""
        if isinstance(type_, GraphQLNonNull):
            return self._non_null(self.of(type_.of_type))
        if is_list_type(type_):
            return self._list(type_)
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_)
        return self._left_to_core(type_)

    def _non_null(self, inner: Complete) -> Complete:
        message = self._null_message

        def complete(execution: Execution, info: MakeInfo, path: Path, value: Any) -> Value:
            completed = inner(execution, info, path, value)
            if completed is None:
                raise TypeError(message)
            return completed

        return complete

    def _left_to_core(self, type_: GraphQLOutputType) -> Complete:
        """Leaves, and interfaces and unions: the fields of the object type that is found come back to the plan."""
        place, is_leaf = self._place, not is_abstract_type(type_)

        def complete(execution: Execution, info: MakeInfo, path: Path, value: Any) -> Value:
            if value is None:
                return None
            # A leaf needs no info.
            return execution.complete_value(type_, place, None if is_leaf else info(), path, value, None)  # type: ignore[arg-type]

        return complete

    def _object(self, type_: GraphQLObjectType) -> Complete:
        place, plan = self._place, self._plan
        own = _class_of(type_)
        is_checked = type_.is_type_of is not None

        def complete(execution: Execution, info: MakeInfo, path: Path, value: Any) -> Value:
            if value is None:
                return None
            if type(value) is own and getattr(value, _CAST, None) is None:
                return plan.selection(type_, place).execute(execution, value, path)
            if is_checked or value is Undefined or not (type(value) in _plain_types or _is_plain(type(value))):
                return execution.complete_value(type_, place, info(), path, value, None)
            return plan.selection(type_, place).execute(execution, value, path)

        return complete

    def _list(self, type_: Any) -> Complete:
        place, item_type, complete_item = self._place, type_.of_type, self.of(type_.of_type)
        find_plain = cache(partial(self._plan.plain, _nullable(item_type), place))

        def complete(execution: Execution, info: MakeInfo, path: Path, value: Any) -> Value:
            if type(value) is not list:
                return None if value is None else execution.complete_value(type_, place, info(), path, value, None)
            results = _plain_items(find_plain(), execution, value)
            waiting: list[int] = []
            items = iter(value[len(results) :])
            try:
                for index, item in enumerate(items, len(results)):
                    here = Path(path, index, None)
                    if type(item) not in _plain_types and not _is_plain(type(item)) and optimized_is_awaitable(item):
                        waiting.append(index)
                        results.append(_completed(execution, item, complete_item, info, item_type, place, here))
                        continue
                    try:
                        completed = complete_item(execution, info, here, item)
                        if type(completed) not in _plain_types and optimized_is_awaitable(completed):
                            waiting.append(index)
                            completed = _awaited(execution, completed, item_type, place, here)
                    except Exception as error:  # noqa: BLE001 - as graphql-core does
                        execution.handle_field_error(error, item_type, place, here)
                        completed = None
                    results.append(completed)
            except Exception:
                left = [*(results[index] for index in waiting), *collect_iterator_awaitables(items, optimized_is_awaitable)]
                if left:
                    execution.settle_in_background(left)
                raise
            return _awaited_items(results, waiting) if waiting else results

        return complete


def _plain_items(bind: BindPlain | None, execution: Execution, items: list[Any]) -> list[Any]:
    """What is in the answer for the items before the first about which something is special."""
    results: list[Any] = []
    if bind is not None and items:
        try:
            plain = bind(execution)
            for item in items:
                results.append(plain(item))  # noqa: PERF401 - those before one that fails are kept
        except Exception:  # noqa: BLE001, S110 - raised again by the other way, with its place in the answer
            pass
    return results


async def _awaited_items(results: list[Any], waiting: list[int]) -> list[Any]:
    if len(waiting) == 1:
        (index,) = waiting
        results[index] = await results[index]
    else:
        found = await gather_with_cancel(*[results[index] for index in waiting])
        for index, item in zip(waiting, found, strict=True):
            results[index] = item
    return results


def _nullable(type_: GraphQLOutputType) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _introspects(document: DocumentNode) -> bool:
    """Whether the document asks for the schema, which is not worth a plan."""
    waiting: list[Any] = [getattr(one, "selection_set", None) for one in document.definitions]
    while waiting:
        for node in waiting.pop().selections:
            if getattr(node, "name", None) is not None and node.name.value in _INTROSPECTION:
                return True
            inner = getattr(node, "selection_set", None)
            if inner is not None:
                waiting.append(inner)
    return False
