"""The references that are generated from the code: settings, metrics, errors."""

from __future__ import annotations

import inspect

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app import errors
from app.settings import Settings, is_secret
from app.telemetry import metrics

SETTINGS_HEAD = """# Settings

Generated from `app/settings.py` by `make generate`. Each setting is an environment variable. A process reads them
once, when it starts. Secrets can be given as a file instead, for example `PAYCORE_JWT_SECRET_FILE=/run/secrets/jwt`.

A start of the API or the relay logs a warning with the names of `PAYCORE_` variables that are not listed here. They
have no effect: a name is misspelt, or a release removed the setting.

| variable | default | meaning |
|---|---|---|
"""
METRICS_HEAD = """# Metrics

Generated from `app/telemetry/metrics.py` by `make generate`. Read them at `/metrics` of the API, where any worker
answers for all, and at `/metrics` of the relay on its own port. Counters end in `_total`, histograms in `_bucket`,
`_count` and `_sum`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""
ERRORS_HEAD = """# Errors

Generated from `app/errors.py` by `make generate`.

## Requests that failed

`extensions.code` of a GraphQL error, `code` of a REST problem. The status is REST's, and GraphQL's if the answer has
no data. `ANSWER_INCOMPLETE` is different: the mutation has its outcome, and only a part of the answer is missing.

| code | status | retryable | meaning |
|---|---|---|---|
"""
REFUSALS_HEAD = """
Other codes: `GRAPHQL_VALIDATION_FAILED` for a document that is not valid GraphQL or does not match the schema,
`MORE_ERRORS` for errors left out of an answer, `BODY_TOO_LARGE` and `METHOD_NOT_ALLOWED` for faults of the HTTP
request.

## Refusals

`userErrors` of a payload: a business rule refused the request, and no money moved. A recorded refusal is stored under
its idempotency key and replayed, so another try needs a new key. Any other refusal is not stored, and its key stays
free.

| code | recorded |
|---|---|
"""


def settings_reference() -> str:
    """The table of all settings."""
    return SETTINGS_HEAD + "\n".join(_setting(name, field) for name, field in Settings.model_fields.items()) + "\n"


def metrics_reference() -> str:
    """The table of all metrics."""
    wrapped = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    rows = [
        (family.name, family.type, ", ".join(map("`{}`".format, labels_of(one))), family.documentation)
        for one in wrapped
        for family in one.describe()
    ]
    from_database = [*metrics.outbox_families(0, 0.0, 0), *metrics.ledger_families(0, 0.0)]
    rows += [(family.name, family.type, "", family.documentation) for family in from_database]
    return METRICS_HEAD + "".join(f"| `{name}` | {kind} | {labels} | {text} |\n" for name, kind, labels, text in rows)


def labels_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """The names of a metric's labels."""
    return tuple(metric._labelnames)  # noqa: SLF001 - the library shows them nowhere else


def errors_reference() -> str:
    """The tables of all codes."""
    kinds = {
        one.code: one
        for one in reversed(list(vars(errors).values()))
        if inspect.isclass(one) and issubclass(one, errors.RequestError) and one is not errors.RequestError
    }
    requests = "".join(
        f"| `{code}` | {kind.http_status} | {_word(kind.retryable)} | {inspect.getdoc(kind)} |\n"
        for code, kind in reversed(kinds.items())
    ).replace("\n\n", " ")
    refusals = "".join(f"| `{code}` | {'yes' if code.is_recorded else 'no'} |\n" for code in errors.RefusalCode)
    return ERRORS_HEAD + requests + REFUSALS_HEAD + refusals


def _word(retryable: bool | None) -> str:  # noqa: FBT001 - a value to show
    return "" if retryable is None else "yes" if retryable else "no"


def _setting(name: str, field: FieldInfo) -> str:
    note = " A secret; `_FILE` works." if is_secret(field) else ""
    # A bar ends a cell of a table, between backticks too.
    description = (field.description or "").replace("|", r"\|")
    return f"| `PAYCORE_{name.upper()}` | {_default(field)} | {description}{note} |"


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    if isinstance(field.default, SecretStr):
        return "a demo secret"
    return f"`{field.default}`"
