"""graphql-core's executor, which follows a plan where there is one (`plans.py`)."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, ClassVar, cast

from graphql import Executor, GraphQLError, GraphQLNonNull, GraphQLObjectType, default_field_resolver, default_type_resolver
from graphql.pyutils import Path
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.schema.context import Context
from app.schema.engine.plans import Planner
from app.schema.outcomes import OUTCOME_FIELDS


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    hides_suggestions: ClassVar[bool] = False
    """Whether errors about variables hide the schema's names."""

    def __init__(self, *arguments: Any, planner: Planner | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # graphql-core stores bound methods here, a reference cycle. The operation's objects would then be freed only by the
        # garbage collector, which takes a tenth of the time of a transfer.
        proxy = weakref.proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(Executor.gather_async_work, proxy), track=partial(Executor.track_async_work, proxy)
        )
        self._plan = None if planner is None else planner.plan(self.variable_values.coerced)

    @classmethod
    def build(cls, *arguments: Any, **options: Any) -> list[GraphQLError] | Executor[Any]:
        """As graphql-core, over every transport with the same suggestions."""
        return super().build(*arguments, **{**options, "hide_suggestions": cls.hides_suggestions})

    @classmethod
    def planned(cls, planner: Planner, variables: dict[str, Any] | None, context: Context) -> list[GraphQLError] | Execution:
        """As `build`, with what the planner knows already."""
        values = planner.variables.read(variables, hide_suggestions=cls.hides_suggestions)
        if isinstance(values, list):
            return values
        return cls(
            planner.schema,
            planner.fragment_definitions,
            planner.fragments,
            None,
            context,
            planner.operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=optimized_is_awaitable,
            hide_suggestions=cls.hides_suggestions,
            planner=planner,
        )

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Executor for one subscription event, with an empty sub-field cache.

        graphql-core 3.3.2 shares one cache across events. Its entries are never hit again and never freed.
        """
        executor = cast("Execution", super().build_per_event_executor(payload))
        executor._relevant_sub_fields = {}  # noqa: SLF001 - there is no public way to reset it
        return executor

    def execute_collected_root_fields(
        self, root_type: GraphQLObjectType, root_value: Any, grouped_field_set: Any, serially: Any, new_defer_usages: Any
    ) -> Any:
        """Run the fields of the operation."""
        if self._plan is None:
            return super().execute_collected_root_fields(root_type, root_value, grouped_field_set, serially, new_defer_usages)
        root = self._plan.root
        return root.execute_serially(self, root_value) if serially else root.execute(self, root_value, None)

    def collect_and_execute_subfields(
        self, return_type: GraphQLObjectType, field_details_list: Any, path: Path, result: Any, position_context: Any
    ) -> Any:
        """Run the fields of an object."""
        if self._plan is None:
            return super().collect_and_execute_subfields(return_type, field_details_list, path, result, position_context)
        return self._plan.selection(return_type, field_details_list).execute(self, result, path)

    def handle_field_error(self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Path) -> None:
        """A failed field is null. For an outcome field the payload is null instead: null in the field would mean a refusal."""
        if (path.typename, field_details_list[0].node.name.value) in OUTCOME_FIELDS:
            return_type = GraphQLNonNull(return_type)
        super().handle_field_error(raw_error, return_type, field_details_list, path)


class ExecutionWithoutSuggestions(Execution):
    """Hides the schema's names in errors about variables."""

    hides_suggestions = True
