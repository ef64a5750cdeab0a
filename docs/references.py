"""References that are made from the code: settings, metrics, errors."""

from __future__ import annotations

import inspect

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app import errors
from app.settings import Settings
from app.telemetry import metrics

SETTINGS_HEAD = """# Settings

Generated from `app/settings.py` by `make generate`. Each is an environment variable, read once when a process starts. A secret
can be given as a file instead: `PAYCORE_JWT_SECRET_FILE=/run/secrets/jwt` and so on for those marked.

| variable | default | what it does |
|---|---|---|
"""
METRICS_HEAD = """# Metrics

Generated from `app/telemetry/metrics.py` by `make generate`. Read them at `/metrics` of the API, where any worker answers for
all, and at `/metrics` of the relay on its own port. Counters end in `_total`, histograms in `_bucket`, `_count` and `_sum`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""
ERRORS_HEAD = """# Errors

Generated from `app/errors.py` by `make generate`.

## Requests that got no answer

`extensions.code` of a GraphQL error, `code` of a REST problem. The HTTP status is REST's, and GraphQL's where there is no
data at all. `ANSWER_INCOMPLETE` is different: its mutation got its answer, and only a part of it is missing.

| code | status | retryable | what it says |
|---|---|---|---|
"""
REFUSALS_HEAD = """
Besides these: `GRAPHQL_VALIDATION_FAILED` for a document that is none, `MORE_ERRORS` for those left out of an answer, and
from HTTP itself
`BODY_TOO_LARGE`, `METHOD_NOT_ALLOWED`.

## Refusals

`userErrors` of a payload: the request was understood, and no money moved. A recorded one is kept under its idempotency key
and replayed; to try
again takes a new key. Any other leaves no trace, and its key can be used.

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
    is_secret = "SecretStr" in str(field.annotation)
    note = " A secret; `_FILE` works." if is_secret else ""
    # A bar ends a cell of a table, between backticks too.
    description = (field.description or "").replace("|", r"\|")
    return f"| `PAYCORE_{name.upper()}` | {_default(field)} | {description}{note} |"


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    if isinstance(field.default, SecretStr):
        return "a demo secret"
    return f"`{field.default}`"
