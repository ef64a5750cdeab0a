from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.demo.embedded import EmbeddedServers, find_running, start_servers
from app.demo.embedded.processes import recognised
from app.errors import ConfigurationError
from tests.servers import fetch_value
from tests.waiting import wait_until

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

SUPERVISOR = """
import json, signal, sys, threading
from pathlib import Path
from app.demo.embedded import start_servers

def run():
    servers = start_servers(Path(sys.argv[1]), durable=False)
    print(json.dumps([servers.postgres.pid, servers.redis.pid]), flush=True)
    return servers

if sys.argv[2] == "thread":
    # Servers that a passing thread started outlive their supervisor.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
else:
    signal.signal(signal.SIGINT, lambda number, frame: None)
    servers = run()
while True:
    signal.pause()
"""


@pytest.fixture
def supervise(home: Path) -> Iterator[Callable[[str], tuple[subprocess.Popen[str], list[int]]]]:
    """A function that starts a process that runs the servers; returns it and the servers' pids."""
    started: list[subprocess.Popen[str]] = []

    def start(thread: str) -> tuple[subprocess.Popen[str], list[int]]:
        command = [sys.executable, "-c", SUPERVISOR, str(home), thread]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()
    start_servers(home, durable=False).stop()


def alive(pid: int) -> bool:
    """Whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(servers: EmbeddedServers) -> list[int]:
    found = [pid for pid in (servers.postgres.pid, servers.redis.pid) if pid is not None]
    assert len(found) == 2
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@needs_proc
def test_servers_answer_and_leave_no_process_behind(home):
    with start_servers(home, durable=False) as servers:
        assert fetch_value(servers.database_url, "SELECT 6 * 7") == 42
        assert redis.Redis.from_url(servers.redis_url, decode_responses=True).ping() is True
        assert servers.dead() == []
        started = [*pids(servers), *children(pids(servers)[0])]
        assert len(started) > 4
    assert [pid for pid in started if alive(pid)] == []


def test_data_is_durable_unless_a_test_turns_fsync_off(home):
    with start_servers(home) as servers:
        assert fetch_value(servers.database_url, "SHOW fsync") == "on"
        assert fetch_value(servers.database_url, "SHOW synchronous_commit") == "on"
        assert fetch_value(servers.database_url, "SHOW full_page_writes") == "on"
        assert fetch_value(servers.database_url, "SHOW data_checksums") == "on"


def test_data_survives_a_restart_and_the_address_stays(home):
    with start_servers(home, durable=False) as servers:
        fetch_value(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        address = servers.database_url
    with start_servers(home, durable=False) as servers:
        assert servers.database_url == address
        assert fetch_value(servers.database_url, "SELECT n FROM kept") == 7


def test_a_reset_starts_with_an_empty_database(home):
    with start_servers(home, durable=False) as servers:
        fetch_value(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    with start_servers(home, durable=False, reset=True) as servers:
        assert fetch_value(servers.database_url, "SELECT to_regclass('kept')") is None


def test_committed_data_survives_a_crash_of_postgresql(home):
    with start_servers(home) as servers:
        fetch_value(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        servers.postgres.kill()
        assert servers.dead() == ["PostgreSQL"]
        servers.postgres.start()
        assert fetch_value(servers.database_url, "SELECT n FROM kept") == 7


def test_a_restarted_redis_has_the_same_address_and_is_empty(home):
    with start_servers(home, durable=False) as servers, redis.Redis.from_url(servers.redis_url) as client:
        client.set("key", "value")
        before = servers.redis.pid
        servers.restart_redis()
        assert servers.redis.pid != before
        assert client.get("key") is None


def test_a_second_supervisor_on_the_same_home_is_refused_in_one_line(home):
    with start_servers(home, durable=False), pytest.raises(ConfigurationError) as caught:
        start_servers(home, durable=False)
    assert f"process {os.getpid()}" in str(caught.value)
    assert "PAYCORE_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_supervisor_does_not_touch_the_first_ones_servers(home):
    with start_servers(home, durable=False) as servers:
        refused = EmbeddedServers(home, durable=False)
        with pytest.raises(ConfigurationError):
            refused.start()
        refused.stop()
        assert servers.dead() == []
        assert find_running(home) is not None


def test_other_commands_find_the_servers_only_while_they_run(home):
    assert find_running(home) is None
    with start_servers(home, durable=False) as servers:
        addresses = find_running(home)
        assert addresses is not None
        assert (addresses.database_url, addresses.redis_url) == (servers.database_url, servers.redis_url)
    assert find_running(home) is None


@needs_proc
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv for a signal at the parent's death")
def test_servers_stop_when_their_supervisor_is_killed(supervise):
    supervisor, servers = supervise("main")
    supervisor.kill()
    assert wait_until(lambda: not any(map(alive, servers)), 20)


@needs_proc
def test_the_next_start_stops_the_servers_of_a_killed_supervisor_and_keeps_their_data(supervise, home):
    supervisor, orphans = supervise("thread")
    addresses = find_running(home)
    assert addresses is not None
    fetch_value(addresses.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    supervisor.kill()
    supervisor.wait()
    assert all(map(alive, orphans)), "they were left behind, or this test shows nothing"
    assert find_running(home) is None
    with start_servers(home, durable=False) as servers:
        assert not any(map(alive, orphans))
        assert fetch_value(servers.database_url, "SELECT n FROM kept") == 7


@needs_proc
def test_ctrl_c_reaches_only_the_supervisor(supervise):
    supervisor, servers = supervise("main")
    os.killpg(supervisor.pid, signal.SIGINT)
    assert not wait_until(lambda: not all(map(alive, servers)), 0.5)


@needs_proc
def test_a_recorded_pid_that_another_process_has_is_ignored(home):
    with start_servers(home, durable=False) as servers:
        data = Path(fetch_value(servers.database_url, "SHOW data_directory"))
        servers.postgres.kill()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for note in (data / "postmaster.pid", home / "redis/redis.pid"):
            lines = note.read_text().splitlines() if note.exists() else [""]
            note.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        with start_servers(home, durable=False) as servers:
            assert fetch_value(servers.database_url, "SELECT 1") == 1
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_is_recognised_by_a_whole_argument():
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert wait_until(lambda: recognised(process.pid, "60"), 5)
        assert not recognised(process.pid, "6")
    finally:
        process.kill()
        process.wait()


def test_an_incomplete_database_is_created_again(home):
    unfinished = home / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with start_servers(home, durable=False) as servers:
        assert fetch_value(servers.database_url, "SELECT 1") == 1


def test_only_this_user_can_reach_the_sockets(home):
    with start_servers(home, durable=False) as servers:
        directory = Path(servers.database_url.partition("host=")[2])
        assert directory.stat().st_mode & 0o777 == 0o700
        assert Path(servers.redis_url.removeprefix("unix://")).parent == directory
        assert fetch_value(servers.database_url, "SHOW listen_addresses") == ""
        assert redis.Redis.from_url(servers.redis_url, decode_responses=True).config_get("port") == {"port": "0"}
    assert not directory.exists()


@needs_proc
def test_servers_get_no_secrets_in_their_environment(home, monkeypatch):
    monkeypatch.setenv("PAYCORE_JWT_SECRET", "a-secret-that-is-nobody-elses-business")
    with start_servers(home, durable=False) as servers:
        for pid in pids(servers):
            assert b"PAYCORE" not in Path(f"/proc/{pid}/environ").read_bytes()
