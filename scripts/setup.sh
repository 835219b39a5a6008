#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# setup.sh train|test: installs what is missing and says what it does; does nothing, quickly, when nothing is missing.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LEVEL=${1:-train}
COLLECTION=.venv/collections/ansible_collections/podyard/gpu

# ---- Debian packages ---------------------------------------------------------------------------------------------

find_command() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

missing_packages() {
    find_command sshd || echo openssh-server
    { find_command ssh && find_command ssh-keygen && find_command ssh-keyscan; } || echo openssh-client
    find_command rsync || echo rsync
    find_command bwrap || echo bubblewrap
    # Logins to Vast.ai's pods land in it; only tests log in so.
    [ "$LEVEL" = train ] || find_command tmux || echo tmux
    # A pod makes its virtual environment with this one, and on a bare machine we do too.
    "$POD_PYTHON" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# The fast question, asked at every start: are the programs there?
have_programs() {
    local program
    for program in sshd ssh ssh-keygen ssh-keyscan rsync bwrap "$POD_PYTHON"; do
        find_command "$program" || return 1
    done
    [ "$LEVEL" = train ] || find_command tmux
}

install_packages() {
    local packages command
    packages=$(missing_packages | tr '\n' ' ')
    packages=${packages% }
    [ -n "$packages" ] || return 0
    find_command apt-get || die "these Debian packages or their like are missing, and there is no apt-get: $packages"
    # Five minutes for another apt-get on this machine to end, an automatic upgrade for instance.
    command="apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
    command="$command -o DPkg::Lock::Timeout=300 $packages"
    if [ "$(id -u)" = 0 ]; then
        say "installing Debian packages: $packages"
        run_as_root flock /var/lib/dpkg bash -c "$command"
    elif sudo -n true 2>/dev/null; then
        say "installing Debian packages by sudo: $packages"
        run_as_root sudo -n flock /var/lib/dpkg bash -c "$command"
    else
        die "these Debian packages are missing: $packages. An administrator must run:
    sudo sh -c '$command'"
    fi
    packages=$(missing_packages | tr '\n' ' ')
    [ -z "$packages" ] || die "apt-get ended, but these packages are still missing (its words are above): $packages"
}

# A package's own start-up script may fail where no init runs, though the programs are there: what counts is asked by
# the caller. The lock makes a second clone that installs at the same moment wait, instead of fail.
run_as_root() {
    "$@" >&2 || say "apt-get reported a failure; looking whether the programs are there all the same"
}

# ---- Python packages ---------------------------------------------------------------------------------------------

# What a stamp stands for: the files that say what to install, the Python it went into, and the place of the clone
# (the programs in a virtual environment hold its path). Files are read and nothing is run, so it takes milliseconds.
fingerprint() {
    local environment=$1
    shift
    { cat "$@"; cat "$environment/pyvenv.cfg"; readlink -f "$POD_PYTHON"; echo "$ROOT"; } | sha256sum | cut -d' ' -f1
}

is_stamped() {
    local environment=$1 stamp=$2
    shift 2
    [ -x "$environment/bin/python" ] && [ -f "$environment/$stamp" ] &&
        [ "$(cat "$environment/$stamp")" = "$(fingerprint "$environment" "$@")" ]
}

# make_environment DIR PYTHON: a virtual environment that works, made anew when its Python or the clone has moved.
make_environment() {
    local environment=$1 python=$2
    if ! grep -qsF "$ROOT/$environment/bin/python" "$environment/bin/pip" || ! "$environment/bin/python" -c '' 2>/dev/null; then
        say "making $environment with $("$python" --version) ($python)"
        rm -rf "$environment"
        "$python" -m venv "$environment"
    fi
}

controller_python() {
    if [ -n "${PYTHON:-}" ]; then
        python_fits "$PYTHON" 311 313 || die "PYTHON=$PYTHON is no Python 3.11 to 3.13 with venv"
        command -v "$PYTHON"
    else
        find_python 311 313 python3 /usr/bin/python3 python3.11 python3.12 python3.13 ||
            die "found no Python 3.11 to 3.13 with venv; name one: make PYTHON=/path/to/python3.11 …"
    fi
}

link_collection() {
    mkdir -p "$(dirname "$COLLECTION")"
    [ -L "$COLLECTION" ] || ln -s ../../../.. "$COLLECTION"
}

# Pods of the sandbox install from these files, and need not ask a package index.
download_wheels() {
    local version
    version=$("$POD_PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "downloading what the pods of the sandbox will install, for Python $version, to .cache/wheels"
    .venv/bin/pip download --quiet --only-binary=:all: --python-version "$version" \
        --dest .cache/wheels -r examples/digits/requirements.txt
}

TRAIN_FILES=(requirements.txt requirements-example.txt sandbox/pyproject.toml examples/digits/requirements.txt scripts/setup.sh)
TEST_FILES=("${TRAIN_FILES[@]}" requirements-test.txt tests/unit/requirements.txt)


train_is_ready() { [ -L "$COLLECTION" ] && [ -d .cache/wheels ] && is_stamped .venv .podyard-train "${TRAIN_FILES[@]}"; }
test_is_ready() { train_is_ready && is_stamped .venv .podyard-test "${TEST_FILES[@]}" && cores_are_ready && sdk_is_ready && vastai_is_ready; }

set_up_train() {
    local python
    ! train_is_ready || return 0
    python=$(controller_python)
    make_environment .venv "$python"
    say "installing Python packages into .venv (a minute or two)"
    .venv/bin/pip install --quiet -r requirements.txt -r requirements-example.txt -e ./sandbox
    link_collection
    download_wheels
    fingerprint .venv "${TRAIN_FILES[@]}" >.venv/.podyard-train
}

# ---- What the tests need beside ----------------------------------------------------------------------------------

# core_python CORE: the Python for that ansible-core, or nothing where this machine has none.
core_python() {
    case $1 in
        219) find_python 311 313 "$ROOT/.venv/bin/python" ;;
        221) find_python 312 314 python3.12 python3.13 python3.14 python3 ;;
    esac
}

core_version() { echo "2.${1#2}"; }

cores_are_ready() {
    local core
    for core in 219 221; do
        [ -f ".cache/no-core$core" ] || is_stamped ".venv-core$core" .podyard-test "${TEST_FILES[@]}" || return 1
    done
}

# An environment with one ansible-core, for ansible-test; without a fitting Python a note that this part is skipped.
set_up_core() {
    local core=$1 python
    rm -f ".cache/no-core$core"
    if ! python=$(core_python "$core"); then
        say "no Python 3.12 or newer here: the tests on ansible-core $(core_version "$core") will be skipped"
        touch ".cache/no-core$core"
        return 0
    fi
    ! is_stamped ".venv-core$core" .podyard-test "${TEST_FILES[@]}" || return 0
    python=$(readlink -f "$python")
    make_environment ".venv-core$core" "$python"
    say "installing ansible-core $(core_version "$core") into .venv-core$core"
    ".venv-core$core/bin/pip" install --quiet "ansible-core==$(core_version "$core").*" pytest pytest-mock pytest-xdist \
        pytest-forked mock PyYAML -r tests/unit/requirements.txt
    ".venv-core$core/bin/python" scripts/offline_pip.py ".cache/home-core$core"
    fingerprint ".venv-core$core" "${TEST_FILES[@]}" >".venv-core$core/.podyard-test"
}

# client_is_ready NAME REQUIREMENTS: it is installed in .venv-NAME, or a note says that it cannot be.
client_is_ready() { [ -f ".cache/no-$1" ] || is_stamped ".venv-$1" .podyard-test "$2" scripts/setup.sh; }

# set_up_client NAME REQUIREMENTS WHAT: a provider's own program, for the tests that let it loose on the sandbox. Only
# those need it: where it cannot be had, a note makes them be skipped with the reason, and all else is tested.
set_up_client() {
    local environment=.venv-$1 note=.cache/no-$1 requirements=$2 what=$3
    rm -f "$note"
    ! is_stamped "$environment" .podyard-test "$requirements" scripts/setup.sh || return 0
    make_environment "$environment" "$(readlink -f .venv/bin/python)"
    say "installing $what into $environment (some 200 MB)"
    if "$environment/bin/pip" install --quiet -r "$requirements"; then
        fingerprint "$environment" "$requirements" scripts/setup.sh >"$environment/.podyard-test"
    else
        say "$what could not be installed: the tests with it will be skipped; 'rm $note' tries again"
        rm -rf "$environment"
        touch "$note"
    fi
}

SDK=(runpod-sdk requirements-sdk.txt)
VASTAI=(vastai-cli requirements-vastai-cli.txt)
sdk_is_ready() { client_is_ready "${SDK[@]}"; }
set_up_sdk() { set_up_client "${SDK[@]}" "RunPod's Python SDK"; }
vastai_is_ready() { client_is_ready "${VASTAI[@]}"; }
set_up_vastai() { set_up_client "${VASTAI[@]}" "Vast.ai's command line"; }

set_up_test() {
    ! test_is_ready || return 0
    say "installing the test tools into .venv"
    .venv/bin/pip install --quiet -r requirements-test.txt -r requirements.txt
    set_up_core 219
    set_up_core 221
    set_up_sdk
    set_up_vastai
    fingerprint .venv "${TEST_FILES[@]}" >.venv/.podyard-test
}

# ------------------------------------------------------------------------------------------------------------------

set_up() {
    install_packages
    set_up_train
    [ "$LEVEL" = train ] || set_up_test
}

is_ready() { have_programs && "${LEVEL}_is_ready"; }

case $LEVEL in
    train | test) ;;
    *) die "setup.sh knows 'train' and 'test', not '$LEVEL'" ;;
esac
if [ "${2:-}" = --locked ]; then
    set_up
else
    is_ready || with_lock set-up "$ROOT/scripts/setup.sh" "$LEVEL" --locked
fi
