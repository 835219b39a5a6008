# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where command lines of ssh are made.

No file of the user's or of the system's decides how a pod is reached: ``-F /dev/null`` leaves all of them out, with
what they may hold (an agent that is lent to the host, commands of their own, variables that are sent, jump hosts,
terminals, shared connections). What would harm is ruled out by name as well, for an ssh that is a program of somebody
else. A pod is asked directly; who needs a proxy gives this machine a route.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .._providers import registry

#: No configuration file at all.
NO_FILES = ("-F", "/dev/null")
#: What no configuration may bring in at any host. The settings of a host of the user's own inventory say how it is
#: reached, but none of them may start a shell in the place of our command, lend the agent, or hang up since something
#: else is forwarded already. Only names that an ssh of 2016 knows, and one that it may ignore.
_HARMLESS = (
    "IgnoreUnknown=RemoteCommand",
    "RemoteCommand=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "BatchMode=yes",
)
#: The same of a pod, at which nothing of the user's decides anything.
_NEVER = (
    *_HARMLESS,
    "Tunnel=no",
    "ProxyCommand=none",
    "CanonicalizeHostname=no",
    "AddKeysToAgent=no",
    "VisualHostKey=no",
    "EscapeChar=none",
    "PreferredAuthentications=publickey",
)
#: A packet every 15 s and four misses: a host that vanished without a word is noticed after a minute, not after hours,
#: and a lost packet harms nothing.
_KEEP_ALIVE = ("ServerAliveInterval=15", "ServerAliveCountMax=4")
#: A connection of one's own: neither over a shared one, nor shared with others.
ALONE = ("-o", "ControlMaster=no", "-o", "ControlPath=none")
#: Seconds for connection, banner and key exchange; slow hosts need several.
LOGIN_SECONDS = 15.0
#: A connection that is shared, and the seconds for which it waits for its next command.
_SHARING = ("ControlMaster=auto", "ControlPersist=60s")
#: With a key that is named: a full agent would use up the server's attempts first.
_THIS_KEY_ONLY = "IdentitiesOnly=yes"
#: What means itself to ssh, to rsync and to a shell.
_PLAIN = re.compile(r"[A-Za-z0-9_./+,:@=-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Target:
    """Where a pod is reached, with which key, and in which file its host key stands; ``strict``: there already."""

    host: str
    port: int
    user: str
    known_hosts: str
    key: str | None = None
    strict: bool = False


def _option_arguments(*options: str) -> list[str]:
    return [word for option in options for word in ("-o", option)]


#: What ansible-core uses by default, and no file of the user's.
SHARED = (*NO_FILES, "-C", *_option_arguments(*_SHARING))
THIS_KEY_ONLY = tuple(_option_arguments(_THIS_KEY_ONLY))


def quoted(path: str) -> str:
    """Quote a path for ssh's own options: it splits them at blanks, knows quotes, and expands percent signs."""
    if _PLAIN.fullmatch(path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def unusable(path: str) -> str | None:
    """Why ssh cannot be given this path, if so: ssh has no quoting for some characters."""
    if _UNPRINTABLE.search(path):
        return "holds a line feed or another control character"
    if "${" in path:
        return "holds ${, in whose place ssh puts a variable of the environment"
    return None


def arguments(
    target: Target, *, socket: str | None = None, connect: float = LOGIN_SECONDS, level: str = "INFO"
) -> list[str]:
    """All arguments of ssh before the host, for a program.

    :param socket: the path of a connection that is shared; without one it is the caller's own.
    :param connect: seconds for connection, banner and key exchange together.
    """
    front = _front(connect, level)
    if socket:
        sharing = _option_arguments(*_SHARING, f"ControlPath={quoted(socket)}")
        return [*front, *sharing, *_reach(target), "-l", target.user]
    return [*front, *ALONE, *_reach(target), "-l", target.user]


def inventory_arguments(
    option: Callable[[str], Any], control_path: Callable[[list[str]], str | None]
) -> tuple[str, ...]:
    """Return all arguments of ssh before a host of the user's own inventory, as Ansible's connection passes them.

    :param option: the value of an option of that connection.
    :param control_path: where its master's socket is for these arguments, or None.
    """
    made = [*_option_arguments(*_HARMLESS, "RequestTTY=no"), *shlex.split(option("ssh_args") or "")]
    if option("host_key_checking") is False:
        made += ["-o", "StrictHostKeyChecking=no"]
    if option("port") is not None:
        made += ["-o", f"Port={option('port')}"]
    if option("private_key_file"):
        made += ["-o", f'IdentityFile="{os.path.expanduser(option("private_key_file"))}"']
    if option("remote_user"):
        made += ["-o", f'User="{option("remote_user")}"']
    made += ["-o", f"ConnectTimeout={option('timeout')}"]
    made += shlex.split(option("ssh_common_args") or "") + shlex.split(option("ssh_extra_args") or "")
    socket = control_path(made)
    if socket:
        made += ["-o", f'ControlPath="{socket}"']
    return (*made, *_option_arguments(*_KEEP_ALIVE))


def first_options(own: bool, bulk: bool, chosen_cipher: bool) -> list[str]:
    """Return what comes before all other options, since ssh takes the first value that it is given for one.

    :param own: a connection of its own in place of the shared one.
    :param bulk: one of its own that is made for many bytes: AES-GCM first, which moves about 1.4 times as much as the
        default cipher, and no compression, which Ansible's default arguments switch on.
    :param chosen_cipher: the user's arguments name a cipher.
    """
    first = ["-S", "none", *_option_arguments("ControlMaster=no")] if own or bulk else []
    if bulk:
        ciphers = [] if chosen_cipher else ["Ciphers=^aes128-gcm@openssh.com"]
        first += _option_arguments("Compression=no", *ciphers)
    return first


def host_key_options(known_hosts: str, checking: str) -> list[str]:
    """Return the options that check a host's key.

    :param checking: ``yes``, or ``accept-new`` where no key is known yet.
    """
    return _option_arguments(f"UserKnownHostsFile={quoted(known_hosts)}", f"StrictHostKeyChecking={checking}")


def host_key_alias(name: str) -> list[str]:
    """Return the option that keeps a host's key under this name in place of its address."""
    return _option_arguments(f"HostKeyAlias={name}")


def _front(connect: float, level: str, *, terminal: bool = False) -> list[str]:
    """Return what holds for every pod. At a terminal a person may answer ssh, which a program never does."""
    never = [each for each in _NEVER if not (terminal and each.startswith("EscapeChar="))]
    tty = f"RequestTTY={'force' if terminal else 'no'}"
    wait = f"ConnectTimeout={max(1, math.ceil(connect))}"
    return [*NO_FILES, *_option_arguments(*never, tty, wait, "ConnectionAttempts=1", f"LogLevel={level}")]


def _reach(target: Target) -> list[str]:
    """Return what leads to this pod and no other."""
    options = [
        f"UserKnownHostsFile={quoted(target.known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        f"StrictHostKeyChecking={'yes' if target.strict else 'accept-new'}",
        "UpdateHostKeys=no",
        # Readable for those who merge such files.
        "HashKnownHosts=no",
        *_KEEP_ALIVE,
    ]
    if target.key:
        options += [f"IdentityFile={quoted(target.key)}", _THIS_KEY_ONLY]
    return ["-p", str(target.port), *_option_arguments(*options)]


def command(target: Target, remote: str, *, level: str = "INFO", connect: float = LOGIN_SECONDS) -> list[str]:
    """Return the whole command that runs ``remote`` on the pod, over a connection of its own."""
    return ["ssh", "-T", *arguments(target, level=level, connect=connect), "--", target.host, remote]


def line(target: Target) -> str:
    """Return the command with which a person logs in: as short as it can be without the user's settings deciding."""
    return shlex.join(["ssh", *NO_FILES, *_reach(target), f"{target.user}@{target.host}"])


def rsync_line(target: Target) -> str:
    """Return the beginning of an rsync command for a person, up to its paths.

    rsync splits -e at blanks, and knows quotes.
    """
    words = ["ssh", *NO_FILES, *_reach(target)]
    shell = " ".join(word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "''") + "'" for word in words)
    return shlex.join(["rsync", "-e", shell])


def ours(line_of_a_person: str, *, connect: float, level: str = "ERROR", terminal: bool = False) -> list[str]:
    """Return the command of ``connection.json`` as a program calls it, without what it runs there.

    ssh takes the first value of an option, so that ours in front win over whatever a record of another version says.

    :raises ValueError: when the text is no command.
    """
    program, *rest = shlex.split(line_of_a_person)
    return [program, *_front(connect, level, terminal=terminal), *ALONE, *rest]


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for programs that talk to a pod, without the account's keys: no option can send them."""
    secrets = {each.name for name in registry.names() for each in registry.settings(name) if each.secret}
    return {name: value for name, value in (os.environ if environ is None else environ).items() if name not in secrets}
