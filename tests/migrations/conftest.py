"""Settings for databases that a test creates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import Settings, load_settings
from tests.servers import Servers


@pytest.fixture
def settings_for(servers: Servers, tmp_path: Path) -> Callable[[str], Settings]:
    """The settings of a service on the database at a URL."""

    def build(database_url: str, **more: str) -> Settings:
        return load_settings(environment="test", database_url=database_url, redis_url=servers.redis_url, home=tmp_path, **more)

    return build
