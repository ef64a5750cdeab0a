"""TransferInput has a conversion of its own, which must know every field."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest

from app.schema import inputs


@pytest.mark.parametrize("input_type", [inputs.TransferInput, inputs.MoneyInput])
def test_a_field_that_the_conversion_does_not_know_is_not_dropped_in_silence(
    input_type: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition: Any = cast("Any", input_type).__strawberry_definition__
    added = copy.copy(definition.fields[0])
    added.python_name = "surprise"
    monkeypatch.setattr(definition, "fields", [*definition.fields, added])
    with pytest.raises(TypeError, match="surprise"):
        inputs.use_own_conversion()
