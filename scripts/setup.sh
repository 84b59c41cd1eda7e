#!/bin/sh
# Sets this machine up: system packages, .venv, the project with its extras. Safe to run again:
# it does only what is missing. Called by `make setup`; environment:
#   PYTHON   interpreter for .venv (default: the first of python3, python3.13, ... that is >= 3.11)
#   EXTRAS   extras of pyproject.toml to install (default: server,recordings,index,ros2,bind,dev)
#   TORCH    cpu: torch's own CPU build, about 1 GB in all instead of 6, for machines without an
#            NVIDIA card (default: what PyPI serves, a CUDA build on x86-64)
set -eu
cd "$(dirname "$0")/.."

EXTRAS=${EXTRAS:-server,recordings,index,ros2,bind,dev}
# The compiler and PortAudio's headers build PyAudio, which has no Linux wheel; PulseAudio and
# ffmpeg carry the audio and video of the tests and of many robots.
PACKAGES="gcc libc6-dev portaudio19-dev libasound2-plugins pulseaudio pulseaudio-utils ffmpeg"

say() { printf '%s\n' "setup: $*"; }
die() {
    printf '%s\n' "setup: $*" >&2
    exit 2
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

# Debian splits the interpreter: its headers and its venv are packages of their own.
python_packages() {
    "$1" - <<'PY'
import importlib.util, pathlib, sys, sysconfig
name = f"python{sys.version_info.major}.{sys.version_info.minor}"
if importlib.util.find_spec("ensurepip") is None:
    print(f"{name}-venv")
if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
    print(f"{name}-dev")
PY
}

absent_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

install_packages() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "no apt-get here; install the like of: $*, then run this again"
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "needs root for: apt-get install $*
setup: run that line as root (or install sudo), then run this again"
    fi
    say "installing $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_system() {
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian or Ubuntu; make sure that the like of these is installed: $PACKAGES"
        return
    fi
    # shellcheck disable=SC2046,SC2086 # the lists are split on purpose
    install_packages $(absent_packages $PACKAGES)
}

ensure_python() {
    python=$(find_python)
    if [ -z "$python" ]; then
        install_packages python3.11 python3.11-venv python3.11-dev
        python=$(find_python)
    fi
    [ -n "$python" ] || die "needs Python 3.11 or newer; say which with PYTHON=/path/to/python make setup"
    # shellcheck disable=SC2046
    install_packages $(python_packages "$python")
}

# The scripts of a .venv hold its path, so one that was moved with its folder is made anew.
ensure_venv() {
    if is_new_enough .venv/bin/python && grep -qF "$PWD/.venv" .venv/bin/activate; then
        return
    fi
    ensure_python
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# What an installation depends on: not the settings of the linters, which also live there.
fingerprint() {
    .venv/bin/python - <<'PY'
import hashlib, json, pathlib, tomllib
wanted = [pathlib.Path("requirements.lock").read_text()]
for file in ("pyproject.toml", "bindstream/pyproject.toml"):
    project = tomllib.loads(pathlib.Path(file).read_text())
    wanted.append(json.dumps([project["project"], project["build-system"]], sort_keys=True))
print(hashlib.sha256("\n".join(wanted).encode()).hexdigest())
PY
}

# The lock holds versions that were tried together, for the Python it names; another Python takes
# the newest that pyproject.toml allows.
constraints() {
    version=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if grep -q "for Python $version," requirements.lock; then
        echo "--constraint=requirements.lock"
    else
        say "requirements.lock is not for Python $version: taking the newest that pyproject.toml allows" >&2
    fi
}

locked() { sed -n "s/^$1==//p" requirements.lock; }

install_cpu_torch() {
    [ "${TORCH:-}" = cpu ] || return 0
    say "installing torch's CPU build"
    .venv/bin/python -m pip install "torch==$(locked torch)" "torchaudio==$(locked torchaudio)" \
        --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
}

install_project() {
    stamp=.venv/.installed-$(printf %s "$EXTRAS" | tr , -)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ]; then
        return
    fi
    began=$(date +%s)
    say "installing bindstream and bindstream-robot[$EXTRAS] into .venv"
    install_cpu_torch
    # shellcheck disable=SC2046 # no option where there is no constraint
    .venv/bin/python -m pip install $(constraints) -e ./bindstream -e ".[$EXTRAS]"
    fingerprint >"$stamp"
    say "installed in $(($(date +%s) - began)) s; .venv holds $(du -sh .venv | cut -f1)"
}

install_system
ensure_venv
install_project
