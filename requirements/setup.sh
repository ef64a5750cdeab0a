#!/bin/sh
# Makes the virtual environment that every make target uses: Python's own venv, uv in it, then exactly what the lock names.
# Usage: [PYTHON=/path/to/python] requirements/setup.sh VENV run|dev
# `run` installs what running needs; `dev` adds what tests and checks need.
set -eu

venv=$1
lock=$2
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# The first supported Python that can make a virtual environment; the reason in one line where there is none.
find_python() {
    lacking=
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
        supported "$candidate" || continue
        if has_venv "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
        lacking=${lacking:-$candidate}
    done
    if [ -n "$lacking" ]; then
        version=$("$lacking" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "paycore: $lacking lacks the venv module: install it (Debian, Ubuntu: apt install python$version-venv) and run make again."
    elif [ -n "${PYTHON:-}" ]; then
        say "paycore: PYTHON=$PYTHON is not a Python 3.11, 3.12, 3.13 or 3.14: name another, or leave PYTHON out."
    else
        say "paycore: Python 3.11, 3.12, 3.13 or 3.14 is needed and none is on the PATH: install one, or name it with make PYTHON=/path/to/python3."
    fi
    return 1
}

# Usable as it is: a supported Python that runs and has pip, made for this very directory (scripts keep absolute paths).
usable() {
    [ -x "$venv/bin/python" ] && supported "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
        [ "$(cat "$venv/.made-for" 2>/dev/null)" = "$(pwd -P)" ]
}

if [ -n "${PYTHON:-}" ] || ! usable; then
    python=$(find_python)
    say "paycore: making $venv with $("$python" --version 2>&1)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    printf '%s\n' "$(pwd -P)" >"$venv/.made-for"
fi

# A user's `pip install --user` preference makes no sense inside a virtual environment.
PIP_USER=0 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

say "paycore: installing the locked requirements"
uv() { "$venv/bin/python" requirements/uv.py "$@"; }
# Bytecode is compiled now, so that the first start is not the slow one.
uv pip install --python "$venv/bin/python" --compile-bytecode --require-hashes -r "requirements/$lock.txt"
uv pip install --python "$venv/bin/python" --quiet --offline --no-build-isolation --no-deps --editable .
touch "$venv/.runnable"
if [ "$lock" = dev ]; then
    touch "$venv/.installed"
fi
