# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A start command that makes a pod reachable whose image starts no SSH server.

The script travels as text in the start command, base64-encoded, so that no shell on the way can misread it; behind it
stand the words of the user's own start command, which is therefore found again in what a provider shows of a pod.
The script is put together from parts: what a pod must do from its first second on (``PodRequest.boot``) comes before
PART_SSH.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from .._core.errors import BadRequest
from .._core.pod import SSH_PORT, PodRequest

AUTO, ALWAYS, NEVER = "auto", "always", "never"
CHOICES = (AUTO, ALWAYS, NEVER)
#: How each line of ours in a container's log begins.
MARK = "podyard:"
#: How a line begins that says why there will be no SSH.
FAILED = f"{MARK} SSH cannot be set up:"

#: Shared by the parts.
PART_BEGIN = r"""
umask 022
say() { echo "podyard: $*"; }
"""
#: Ends the function's work, not the container: its log must stay readable, and a container that ends is restarted,
#: again and again.
PART_SSH = r"""
no_ssh() { say "SSH cannot be set up: $*"; return 1; }

manager() {
    for name in apt-get apk microdnf dnf yum; do
        if command -v "$name" >/dev/null 2>&1; then echo "$name"; return 0; fi
    done
    return 1
}

install_with() {
    with=$1
    shift
    case $with in
        apt-get)
            export DEBIAN_FRONTEND=noninteractive
            apt-get -q update && apt-get -q install -y --no-install-recommends "$@"
            ;;
        apk) apk add --no-cache "$@" ;;
        *) "$with" install -y "$@" ;;
    esac
}

# A mirror that fails for a moment is asked three times, the last time only for what is needed most.
install_sshd() {
    server=openssh-server
    [ "$1" != apk ] || server=openssh
    for packages in "$server rsync" "$server rsync" "$server"; do
        # shellcheck disable=SC2086
        if install_with "$1" $packages >/tmp/podyard-install 2>&1 && find_sshd; then return 0; fi
        sleep 5
    done
    return 1
}

# What a program says is long, and of its last lines none may name the cause.
last_words() {
    { grep -i -e 'err' -e fail -e 'could not' -e unable "$1" || cat "$1"; } 2>/dev/null | tail -n 4 | tr '\n' ' '
}

find_sshd() {
    command -v ssh-keygen >/dev/null 2>&1 || return 1
    sshd=$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin:$PATH command -v sshd)
}

own_home() {
    home=${HOME:-/root}
    while IFS=: read -r _ _ number _ _ folder _; do
        if [ "$number" = "$(id -u)" ]; then home=$folder; return 0; fi
    done </etc/passwd
}

authorize() {
    own_home
    keys=$home/.ssh/authorized_keys
    mkdir -p "$home/.ssh" || return 1
    # Ours must not become the end of an image's own line.
    if [ -s "$keys" ] && [ -n "$(tail -c 1 "$keys")" ]; then echo >>"$keys"; fi
    printf '%s\n' "$PUBLIC_KEY" >>"$keys" || return 1
    chmod 700 "$home/.ssh" && chmod 600 "$keys"
    # A locked account is refused even with the right key; with a star it has no password, but is not locked.
    if grep -q '^root:!' /etc/shadow 2>/dev/null; then sed -i 's/^root:![^:]*:/root:*:/' /etc/shadow; fi
}

# Keys that came with the image are known to all who have it. Who connects compares what is printed here.
make_host_keys() {
    rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
    ssh-keygen -A >/dev/null || return 1
    say "SSH host keys:"
    for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$key"; done
}

# An image's own port or file of keys would lead elsewhere. Its search paths hold for SSH sessions too, where sshd is
# new enough to be told. sshd leaves for the background before it takes its port, and writes its number afterwards.
start_sshd() {
    mkdir -p /run/sshd && chmod 755 /run/sshd
    set -- -o AuthorizedKeysFile=.ssh/authorized_keys -o PermitRootLogin=prohibit-password -o PubkeyAuthentication=yes \
        -o PasswordAuthentication=no -o UsePAM=no -o LogLevel=ERROR -o PidFile=/run/podyard-sshd
    paths="PATH=$PATH${LD_LIBRARY_PATH:+ LD_LIBRARY_PATH=$LD_LIBRARY_PATH}"
    if "$sshd" -t "$@" -o "SetEnv=$paths" 2>/dev/null; then set -- "$@" -o "SetEnv=$paths"; fi
    rm -f /run/podyard-sshd
    "$sshd" -p 22 -E /tmp/podyard-sshd "$@" || return 1
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        if [ -s /run/podyard-sshd ]; then return 0; fi
        sleep 1
    done
    return 1
}

set_up_ssh() {
    case ${PUBLIC_KEY:-null} in
        null) no_ssh "the variable PUBLIC_KEY holds no key, so no one could log in."; return ;;
    esac
    if [ "$(id -u)" != 0 ]; then
        no_ssh "the container runs as user $(id -u), and only root can install an SSH server and start it on port 22."
        return
    fi
    if ! find_sshd; then
        with=$(manager) || {
            no_ssh "the image has no SSH server, and no apt-get, apk, dnf, microdnf or yum to install one."
            return
        }
        say "installing an SSH server with $with"
        install_sshd "$with" || {
            no_ssh "$with could not install an SSH server: $(last_words /tmp/podyard-install)"
            return
        }
    fi
    authorize || { no_ssh "the key could not be written to $home/.ssh/authorized_keys."; return; }
    make_host_keys || { no_ssh "ssh-keygen could not make host keys."; return; }
    start_sshd || { no_ssh "sshd does not start on port 22: $(last_words /tmp/podyard-sshd)"; return; }
    say "the SSH server runs"
}
"""
#: An image that is made from an official one starts its SSH server by itself: it has both a server and a script for it.
PART_RUN = r"""
command=
end() {
    if [ -n "$command" ]; then kill -TERM "$command" 2>/dev/null; wait "$command"; fi
    exit 143
}
trap end TERM INT

if [ $# = 0 ] && [ -x /start.sh ] && grep -q PUBLIC_KEY /start.sh && find_sshd; then exec /start.sh; fi
set_up_ssh
if [ $# != 0 ]; then
    "$@" &
    command=$!
    wait "$command"
    say "the start command ended with exit code $?; the pod stays"
    command=
fi
# Signals are heard while the shell waits, and it collects processes whose parents ended.
while :; do
    sleep 3600 &
    wait $!
done
"""
PARTS = (PART_BEGIN, PART_SSH, PART_RUN)
_FILE = "/tmp/podyard-boot"
_AROUND = re.compile(
    r"^sh -c 'echo (?P<script>[A-Za-z0-9+/=]+) \| base64 -d >"
    + re.escape(_FILE)
    + r" && exec sh "
    + re.escape(_FILE)
    + r' "\$@"\' podyard(?: (?P<own>.*))?$',
    re.DOTALL,
)


def script(boot: str = "") -> str:
    """Return the boot script without its comments, ``boot`` before everything else: it goes into every request."""
    kept = [
        line
        for line in "\n".join((PARTS[0], boot, *PARTS[1:])).splitlines()
        if line.strip() and not line.lstrip().startswith("# ")
    ]
    return "\n".join(kept) + "\n"


def wrap(own: str = "", boot: str = "") -> str:
    """Return the start command that sets up SSH and then runs ``own``, split as by a shell; empty means none."""
    return _around(base64.b64encode(script(boot).encode()).decode(), own)


def rewrap(args: str | None, own: str) -> str:
    """Return a start command of ours with another one of the user's in it."""
    match = _AROUND.match(args or "")
    return _around(match["script"], own) if match else wrap(own)


def _around(encoded: str, own: str) -> str:
    begin = f"sh -c 'echo {encoded} | base64 -d >{_FILE} && exec sh {_FILE} \"$@\"' podyard"
    return f"{begin} {own}" if own.strip() else begin


def unwrap(args: str | None) -> str:
    """Return the user's own start command in what a provider shows of a pod, whichever version of ours wraps it."""
    match = _AROUND.match(args or "")
    return (match["own"] or "") if match else args or ""


def our_script(args: str | None) -> str:
    """Our script in what a provider shows of a pod; empty where there is none."""
    match = _AROUND.match(args or "")
    return base64.b64decode(match["script"]).decode(errors="replace") if match else ""


def is_wrapped(args: str | None) -> bool:
    """Whether a start command is one of ours."""
    return _AROUND.match(args or "") is not None


def is_needed(how: str, request: PodRequest, starts_ssh: Sequence[str]) -> bool:
    """Whether a new pod needs our start command: it must be reachable by SSH, and nothing else starts a server.

    A template without an image or a command beside it is left alone: its own start command counts.

    :param how: one of CHOICES.
    :param starts_ssh: beginnings of the names of images that start an SSH server by themselves.
    """
    if how != AUTO:
        return how == ALWAYS
    ports = request.ports if request.ports is not None else (SSH_PORT,)
    if not request.start_ssh or SSH_PORT not in ports or not (request.public_keys or request.env.get("PUBLIC_KEY")):
        return False
    if request.args:
        return not _parts(request.args)[0]
    return request.image is not None and not _plain(request.image).startswith(tuple(starts_ssh))


def bootstrapped(how: str, request: PodRequest, starts_ssh: Sequence[str]) -> PodRequest:
    """Wrap our start command around the request's own, where it is needed.

    :raises BadRequest: where it is required and impossible.
    """
    if not is_needed(how, request, starts_ssh):
        return request
    entrypoint, own = _parts(request.args or "")
    if entrypoint:
        raise BadRequest(
            f"The pod {request.name} was not rented: bootstrap_ssh={ALWAYS} and an entrypoint exclude each other, for "
            "both decide what the container runs. Give the command as args or cmd."
        )
    return replace(request, args=wrap(own, request.boot))


def _parts(args: str) -> tuple[bool, str]:
    """Whether a start command replaces the entrypoint, and its words.

    :raises BadRequest: when it cannot be split into words.
    """
    problem = "The start command (args) cannot be split into words"
    if args.lstrip().startswith("{"):
        try:
            given = json.loads(args)
            return bool(given.get("entrypoint")), shlex.join(given.get("cmd") or [])
        except (ValueError, TypeError, AttributeError) as error:
            raise BadRequest(
                f"{problem}: it begins like JSON, but is not an object with entrypoint and cmd."
            ) from error
    try:
        shlex.split(args)
    except ValueError as error:
        raise BadRequest(f"{problem} as a shell does: {error}.") from error
    return False, args


def _plain(image: str) -> str:
    """Return an image's name without the registry that is implied when none is named."""
    return re.sub(r"^(docker\.io|index\.docker\.io|registry\.hub\.docker\.com)/", "", image.strip().lower())
