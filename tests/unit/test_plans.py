"""Plans answer as graphql-core does: on generated documents, over data that is often null, wrong, late or missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from inspect import isawaitable
from random import Random
from typing import Annotated, Any, Generic, TypeVar
from zlib import crc32

import orjson
import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLUnionType,
    OperationDefinitionNode,
    execute,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)
from graphql.pyutils import Path
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.schema.engine.execution import Execution
from app.schema.engine.plans import DocumentFacts, Planner

T = TypeVar("T")


class World:
    """Decides from a seed what each field of each object is, and notes which resolvers were called with what."""

    def __init__(self, seed: int, faults: float) -> None:
        self.seed = seed
        self.faults = faults
        self.calls: list[str] = []
        self.coroutines = 0

    def random(self, *key: object) -> Random:
        return Random(f"{self.seed} {key}")

    def value(self, key: str, make: Callable[[Random], Any]) -> Any:
        """What `make` returns, or something else than the type says."""
        random = self.random(key)
        if random.random() >= self.faults:
            return make(random)
        fault = random.choice(["null", "wrong", "error", "raise", "refusal", "late"])
        if fault == "raise":
            raise ValueError(f"no {key}")
        if fault == "refusal":
            raise GraphQLError(f"refused {key}", extensions={"code": "REFUSED"})
        return {"null": None, "wrong": object, "error": KeyError(key), "late": Late(make(random))}[fault]


class Late:
    """An awaitable that is no coroutine."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Late"

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self._value


@strawberry.enum
class Color(Enum):
    RED = "red"
    BLUE = "blue"


@strawberry.input
class Filter:
    color: Color | None = None
    limit: int = 7
    words: list[str] | None = None


@strawberry.interface
class Thing:
    id: strawberry.ID


class Lazy:
    """Attributes are what the world says when they are read."""

    world: strawberry.Private[Any]
    key: strawberry.Private[str]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _ATTRIBUTES:
            raise AttributeError(name)
        return self.world.value(f"{self.key}.{name}", lambda random: _ATTRIBUTES[name](self.world, f"{self.key}.{name}", random))


@strawberry.type
class Wrap(Generic[T]):
    """As the edges of connections: its instances are of the generic class, whatever is in them."""

    label: str
    node: T


@strawberry.type
class Bag(Lazy):
    label: str
    boxes: list[Annotated[Box, strawberry.lazy(__name__)]]


@strawberry.type
class Box(Lazy, Thing):
    label: str
    note: str | None
    size: int
    weight: float | None
    full: bool
    color: Color
    made: datetime | None
    tags: list[str]
    marks: list[int | None] | None
    grid: list[list[str]] | None
    inner: Box | None
    lid: Box
    rows: list[Box]
    wraps: list[Wrap[Box]]
    holes: list[Box | None] | None
    any_thing: Thing | None
    either: Annotated[Box | Bag, strawberry.union("Either")] | None

    @strawberry.field
    async def child(self, info: strawberry.Info, count: int = 1, color: Color | None = None) -> Box | None:
        return await self._later(info, count, color, make=box)  # type: ignore[no-any-return]

    @strawberry.field
    async def firm(self, info: strawberry.Info, given: Filter | None = None) -> Box:
        return await self._later(info, given, make=box)  # type: ignore[no-any-return]

    @strawberry.field
    async def children(self, info: strawberry.Info, words: list[str], first: int | None = strawberry.UNSET) -> list[Box]:
        return await self._later(info, words, first, make=boxes)  # type: ignore[no-any-return]

    @strawberry.field
    def near(self, info: strawberry.Info, moment: datetime | None = None) -> Box | None:
        return self._now(info, moment, make=box)  # type: ignore[no-any-return]

    @strawberry.field
    def things(self, info: strawberry.Info) -> list[Thing | None]:
        return self._now(info, make=boxes)  # type: ignore[no-any-return]

    @strawberry.field
    async def word(self, info: strawberry.Info, text: str = "none") -> str:
        return await self._later(info, text, make=text_of)  # type: ignore[no-any-return]

    @strawberry.field
    def number(self, info: strawberry.Info) -> int | None:
        return self._now(info, make=lambda _world, _key, random: random.randrange(100))  # type: ignore[no-any-return]

    @strawberry.field
    def twin(self) -> Box | None:
        return self.world.value(f"{self.key}.twin", lambda random: box(self.world, f"{self.key}.twin", random))  # type: ignore[no-any-return]

    @strawberry.field
    def title(self) -> str:
        return self.world.value(f"{self.key}.title", lambda random: text_of(self.world, self.key, random))  # type: ignore[no-any-return]

    @strawberry.field
    def hint(self, info: strawberry.Info) -> str | None:
        """As most resolvers, looks at nothing of its info but the context. Sometimes it returns what must be awaited."""
        return self._perhaps_later(info, "hint", text_of)  # type: ignore[no-any-return]

    @strawberry.field
    def mate(self, info: strawberry.Info) -> Box | None:
        return self._perhaps_later(info, "mate", box)  # type: ignore[no-any-return]

    def _perhaps_later(self, info: strawberry.Info, name: str, make: Make) -> Any:
        world, key = info.context, f"{self.key}.{name}"
        value = world.value(key, lambda random: make(world, key, random))
        if not world.faults or world.random(key, "late").random() >= 0.2:
            return value
        world.coroutines += 1
        return later(value)

    def _now(self, info: strawberry.Info, *arguments: object, make: Make) -> Any:
        path = info.path.as_list() if hasattr(info.path, "as_list") else []
        self.world.calls.append(f"{path} {arguments}")
        key = f"{self.key}.{info.field_name}{arguments}"
        return self.world.value(key, lambda random: make(self.world, key, random))

    async def _later(self, info: strawberry.Info, *arguments: object, make: Make) -> Any:
        found = self._now(info, *arguments, make=make)
        for _ in range(self.world.random(self.key, info.field_name, "rounds").randrange(4)):
            await asyncio.sleep(0)
        return found


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


Make = Callable[[World, str, Random], Any]


def box(world: World, key: str, _random: Random) -> Box:
    made = object.__new__(Box)
    made.world, made.key = world, key
    return made


def bag(world: World, key: str, _random: Random) -> Bag:
    made = object.__new__(Bag)
    made.world, made.key = world, key
    return made


def boxes(world: World, key: str, random: Random) -> list[Any]:
    return [
        world.value(f"{key}[{index}]", lambda random, index=index: box(world, f"{key}[{index}]", random))  # type: ignore[misc]
        if random.random() < 0.8
        else box(world, f"{key}[{index}]", random)
        for index in range(random.randrange(4))
    ]


def wraps(world: World, key: str, random: Random) -> list[Any]:
    return [
        Wrap(label="wrap", node=world.value(f"{key}[{index}].node", lambda random: box(world, f"{key}[{index}].node", random)))  # noqa: B023
        for index in range(random.randrange(4))
    ]


def safely(make: Make) -> Make:
    """A list whose faulty items are values, not exceptions that are raised while it is made."""

    def made(world: World, key: str, random: Random) -> Any:
        try:
            return make(world, key, random)
        except (ValueError, GraphQLError) as error:
            return [error]

    return made


def text_of(_world: World, _key: str, random: Random) -> str:
    return f"text {random.randrange(100)}"


def numbers(_world: World, _key: str, random: Random) -> list[Any]:
    return [random.choice([1, 2, None, "x"]) for _ in range(random.randrange(4))]


_ATTRIBUTES: dict[str, Make] = {
    "id": text_of,
    "label": text_of,
    "note": text_of,
    "size": lambda _world, _key, random: random.randrange(9),
    "weight": lambda _world, _key, random: random.random(),
    "full": lambda _world, _key, random: random.random() < 0.5,
    "color": lambda _world, _key, random: random.choice(list(Color)),
    "made": lambda _world, _key, random: datetime(2020, 1, 1 + random.randrange(28), tzinfo=UTC),
    "tags": lambda _world, _key, random: ["a", "b"][: random.randrange(3)],
    "marks": numbers,
    "grid": lambda _world, _key, random: [["a"] * random.randrange(3) for _ in range(random.randrange(3))],
    "inner": box,
    "lid": box,
    "rows": safely(boxes),
    "wraps": safely(wraps),
    "boxes": safely(boxes),
    "holes": lambda world, key, random: tuple(safely(boxes)(world, key, random)),
    "any_thing": lambda world, key, random: random.choice([box, bag])(world, key, random),
    "either": lambda world, key, random: random.choice([box, bag])(world, key, random),
}


@strawberry.type
class Root:
    @strawberry.field
    def start(self, info: strawberry.Info) -> Box:
        return box(info.context, "start", Random(0))

    @strawberry.field
    async def perhaps(self, info: strawberry.Info, count: int = 3) -> Box | None:
        await asyncio.sleep(0)
        return info.context.value(f"perhaps{count}", lambda random: box(info.context, f"perhaps{count}", random))  # type: ignore[no-any-return]

    @strawberry.field
    def now(self, info: strawberry.Info) -> Box | None:
        return info.context.value("now", lambda random: box(info.context, "now", random))  # type: ignore[no-any-return]


Query = strawberry.type(type("Query", (Root,), {}))
Mutation = strawberry.type(type("Mutation", (Root,), {}))
SCHEMA = strawberry.Schema(Query, Mutation, types=[Box, Bag])._schema
MOST_LEVELS = 4


class Documents:
    """Writes a random document for the schema."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.variables: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.fragments: list[str] = []

    def document(self) -> str:
        kind = self.random.choice(["query", "mutation"])
        root = SCHEMA.query_type if kind == "query" else SCHEMA.mutation_type
        fields = self.selections(root, 0)
        declared = ", ".join(f"${name}: {type_}" for name, type_ in self.variables.items())
        return "\n".join([f"{kind} Test{f'({declared})' if declared else ''} {fields}", *self.fragments])

    def selections(self, type_: Any, level: int) -> str:
        return "{ " + " ".join(self.selection(type_, level) for _ in range(self.random.randrange(1, 6))) + " }"

    def selection(self, type_: Any, level: int) -> str:
        roll = self.random.random()
        if roll < 0.15 or isinstance(type_, GraphQLUnionType):
            return self.fragment(type_, level)
        if roll < 0.2:
            return f"__typename{self.directive()}"
        fields = [
            name
            for name, field in type_.fields.items()
            if level < MOST_LEVELS or not is_composite_type(get_named_type(field.type))
        ]
        if not fields:
            return "__typename"
        name = self.random.choice(fields)
        field = type_.fields[name]
        arguments = [self.argument(key, one) for key, one in field.args.items() if self.random.random() < 0.7 or is_required(one)]
        shown = f"({', '.join(arguments)})" if arguments else ""
        inner = get_named_type(field.type)
        below = f" {self.selections(inner, level + 1)}" if is_composite_type(inner) else ""
        # Fields of one name must be the same field with the same arguments.
        alias = f"{name}_{crc32(shown.encode()):x}: " if arguments or self.random.random() < 0.3 else ""
        return f"{alias}{name}{shown}{self.directive()}{below}"

    def fragment(self, type_: Any, level: int) -> str:
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            types: list[Any] = [*SCHEMA.get_possible_types(type_), type_]
        else:
            types = [type_, *type_.interfaces]
        chosen = self.random.choice(types)
        fields = self.selections(chosen, level + 1) if not isinstance(chosen, GraphQLUnionType) else "{ __typename }"
        if self.random.random() < 0.5:
            return f"... on {chosen.name}{self.directive()} {fields}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {chosen.name} {fields}")
        return f"...{name}{self.directive()}" * self.random.choice([1, 1, 2])

    def directive(self) -> str:
        if self.random.random() >= 0.15:
            return ""
        condition = self.random.choice(["true", "false", "Boolean!", "Boolean! = true"])
        if condition.startswith("Boolean"):
            condition = self.variable(condition)
        return f" @{self.random.choice(['skip', 'include'])}(if: {condition})"

    def argument(self, name: str, argument: Any) -> str:
        if self.random.random() < 0.5:
            return f"{name}: {self.variable(str(argument.type))}"
        return f"{name}: {self.literal(argument.type)}"

    def literal(self, type_: Any) -> str:
        if isinstance(type_, GraphQLNonNull):
            return self.literal(type_.of_type)
        if isinstance(type_, GraphQLList):
            return f"[{', '.join(self.literal(type_.of_type) for _ in range(self.random.randrange(3)))}]"
        if isinstance(type_, GraphQLEnumType):
            return str(self.random.choice(list(type_.values)))
        if isinstance(type_, GraphQLInputObjectType):
            chosen = [name for name in type_.fields if self.random.random() < 0.5]
            return "{" + ", ".join(f"{name}: {self.literal(type_.fields[name].type)}" for name in chosen) + "}"
        return {"Int": "5", "String": '"word"', "DateTime": '"2020-01-01T00:00:00Z"'}[type_.name]

    def variable(self, type_: str) -> str:
        """A new or known variable of the type. Its value may be missing, or null or of another type."""
        known = [name for name, one in self.variables.items() if one == type_]
        if known and self.random.random() < 0.5:
            return f"${self.random.choice(known)}"
        name = f"v{len(self.variables)}"
        self.variables[name] = type_
        named = type_.partition(" ")[0].strip("!")
        right: Any = {
            "Boolean": [True, False],
            "Int": [1, 2],
            "Color": ["RED"],
            "String": ["x"],
            "[String!]": [["a", "b"], "a", []],
            "Filter": [{}, {"color": "BLUE", "words": ["w"]}, {"limit": 3}],
            "DateTime": ["2020-01-01T00:00:00Z"],
        }[named]
        roll = self.random.random()
        if roll < 0.92 or (roll < 0.96 and type_.endswith("!")):
            self.values[name] = self.random.choice(right)
        elif roll < 0.98:
            self.values[name] = self.random.choice([None, {}, "BLACK", 1.5, [None]])
        return f"${name}"


def is_required(argument: Any) -> bool:
    return isinstance(argument.type, GraphQLNonNull) and not argument.default


async def result_of(running: Any) -> tuple[bytes, bytes]:
    """Data and errors as JSON."""
    result: ExecutionResult = await running if isawaitable(running) else running
    errors = [error.formatted for error in result.errors or ()]
    return orjson.dumps(result.data), orjson.dumps(errors, default=str)


async def by_core(document: Any, variables: dict[str, Any], world: World) -> tuple[bytes, bytes]:
    running = execute(
        SCHEMA,
        document,
        context_value=world,
        variable_values=variables,
        executor_class=StrawberryGraphQLCoreExecutionContext,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
    )
    return await result_of(running)


async def by_plan(planner: Planner, variables: dict[str, Any], world: World) -> tuple[bytes, bytes]:
    execution = Execution.planned(planner, variables, world)  # type: ignore[arg-type]
    return await result_of(ExecutionResult(None, execution) if isinstance(execution, list) else execution.execute_operation())


# An error cancels what its siblings wait for, here also before it has begun. Python's warning of that fails in some frames.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**64), st.sampled_from([0.0, 0.03, 0.2]))
def test_a_plan_answers_as_graphql_core_does(seed: int, faults: float) -> None:
    documents = Documents(Random(seed))
    text = documents.document()
    document = parse(text)
    assume(not validate(SCHEMA, document))
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    planner = Planner(SCHEMA, DocumentFacts(document), operation)

    async def compare() -> None:
        # The plan is used for several requests, with other data and other values of the conditions.
        for number in range(3):
            variables = dict(documents.values)
            if number:
                variables.update({name: not value for name, value in variables.items() if isinstance(value, bool)})
            core, planned = World(seed + number, faults), World(seed + number, faults)
            expected = await by_core(document, variables, core)
            assert await by_plan(planner, variables, planned) == expected, text
            for _ in range(10):
                # What an error has left behind is finished in the background.
                await asyncio.sleep(0)
            assert planned.calls == core.calls, text

    asyncio.run(compare())


def planned(text: str, *, seed: int = 1) -> Any:
    document = parse(text)
    assert validate(SCHEMA, document) == []
    planner = Planner(SCHEMA, DocumentFacts(document), document.definitions[0])  # type: ignore[arg-type]
    data, errors = asyncio.run(by_plan(planner, {}, World(seed, 0)))
    assert orjson.loads(errors) == []
    return orjson.loads(data)


def test_fields_that_wait_are_resolved_at_the_same_time() -> None:
    text = "{ start { a: child { id } b: child(count: 2) { id } c: word } }"
    found = planned(text)
    assert list(found["start"]) == ["a", "b", "c"]


def test_the_rows_of_a_connection_are_run_without_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[Any] = []

    def counted(*arguments: Any) -> Any:
        paths.append(arguments)
        return Path(*arguments)

    monkeypatch.setattr("app.schema.engine.plans.Path", counted)
    found = planned("{ start { wraps { label node { id hint label } } } }", seed=4)
    assert len(found["start"]["wraps"]) > 1
    assert [path[1] for path in paths] == ["start", "wraps"]


def test_rows_whose_resolvers_return_coroutines_leave_none_behind() -> None:
    """The rows before the first one of them are run without info of their own, that one and the others with it."""
    document = parse("{ start { rows { hint mate { id hint } number } } }")
    planner = Planner(SCHEMA, DocumentFacts(document), document.definitions[0])  # type: ignore[arg-type]

    async def run() -> tuple[int, int]:
        made = [0, 0]
        for seed in range(40):
            core, planned = World(seed, 1e-9), World(seed, 1e-9)
            assert await by_plan(planner, {}, planned) == await by_core(document, {}, core)
            assert planned.calls == core.calls
            made = [made[0] + core.coroutines, made[1] + planned.coroutines]
        return made[0], made[1]

    by_core_alone, with_a_plan = asyncio.run(run())
    assert with_a_plan > by_core_alone > 0, "some are made, closed and made again"


def test_an_operation_has_a_plan_from_its_second_run_on() -> None:
    document = parse("{ start { id } }")
    planner = Planner(SCHEMA, DocumentFacts(document), document.definitions[0])  # type: ignore[arg-type]
    assert [planner.is_due() for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize("text", ["{ __schema { description } }", '{ __type(name: "Box") { name } }'])
def test_introspection_has_no_plan(text: str) -> None:
    document = parse(text)
    planner = Planner(SCHEMA, DocumentFacts(document), document.definitions[0])  # type: ignore[arg-type]
    assert [planner.is_due() for _ in range(2)] == [False, False]


def test_an_operation_with_many_combinations_of_conditions_has_few_plans() -> None:
    names = [f"v{number}" for number in range(6)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: id @include(if: ${name})" for name in names)
    document = parse(f"query({declared}) {{ start {{ {fields} }} }}")
    planner = Planner(SCHEMA, DocumentFacts(document), document.definitions[0])  # type: ignore[arg-type]

    async def run() -> None:
        for number in range(64):
            variables = {name: bool(number >> place & 1) for place, name in enumerate(names)}
            expected = await by_core(document, variables, World(1, 0))
            assert await by_plan(planner, variables, World(1, 0)) == expected

    asyncio.run(run())
    assert len(planner._plans) == 4


def test_the_size_of_an_operation_counts_what_its_plans_may_take() -> None:
    def size(text: str) -> int:
        document = parse(text)
        return Planner(SCHEMA, DocumentFacts(document), document.definitions[0]).size  # type: ignore[arg-type]

    plain, conditional = "{ start { id label } }", "query($v: Boolean!) { start { id label @skip(if: $v) } }"
    assert size(conditional) == 2 * size(plain) > 0
    assert size("{ __schema { description } }") == 0
