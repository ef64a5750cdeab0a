from __future__ import annotations

import shutil

import pytest

from requirements import check
from requirements.uv import uv_environment

INDEX = "https://packages.example/simple"


def test_the_lock_agrees_with_the_project():
    assert list(check.problems()) == []


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the project's requirements that a test may spoil."""
    shutil.copytree(check._ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(check._ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(check, "_ROOT", tmp_path)
    assert list(check.problems()) == []
    return tmp_path


def spoil(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_a_new_requirement_that_was_not_locked_is_told(copy):
    spoil(copy / "pyproject.toml", "dependencies = [", 'dependencies = [\n    "left-pad>=1",')
    assert list(check.problems()) == [f"requirements/{lock}.txt lacks left-pad" for lock in ("runtime", "run", "dev")]


def test_a_requirement_that_outgrew_its_lock_is_told(copy):
    spoil(copy / "pyproject.toml", '"orjson>=3.13,<4"', '"orjson>=99"')
    assert any("orjson" in problem and ">=99" in problem for problem in check.problems())


def test_two_locks_that_disagree_are_told(copy):
    spoil(copy / "requirements/runtime.txt", "orjson==3.", "orjson==3.13.99.")
    assert any(problem.startswith("requirements/dev.txt has orjson") for problem in check.problems())


@pytest.mark.parametrize("line", [f"--index-url {INDEX}", f"orjson @ {INDEX}/orjson.whl", "--find-links wheels"])
def test_a_lock_that_names_an_index_is_told(copy, line):
    spoil(copy / "requirements/runtime.txt", "\n", f"\n{line}\n")
    assert any("names a package index" in problem for problem in check.problems())


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({}, {}),
        ({"index-url": INDEX}, {"UV_DEFAULT_INDEX": INDEX}),
        (
            {"extra-index-url": f"{INDEX}\nhttps://b/"},
            {"UV_INDEX": f"{INDEX} https://b/", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"find-links": "/absent/wheels https://links.example/"}, {"UV_FIND_LINKS": "https://links.example/"}),
        ({"trusted-host": "packages.example"}, {"UV_INSECURE_HOST": "packages.example"}),
        ({"cert": "/etc/company.pem"}, {"SSL_CERT_FILE": "/etc/company.pem"}),
        ({"proxy": "http://proxy.example:3128"}, {"ALL_PROXY": "http://proxy.example:3128"}),
        ({"default-timeout": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
    ],
)
def test_uv_is_told_what_pip_is_configured_with(pip, uv):
    told = uv_environment(pip, {})
    told.pop("UV_SYSTEM_CERTS", None)  # as the machine has certificates or not
    assert told == uv


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_is_told_outright_is_left_alone(name):
    assert "UV_DEFAULT_INDEX" not in uv_environment({"index-url": INDEX}, {name: "https://other.example/"})
