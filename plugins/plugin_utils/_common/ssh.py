# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines for ssh and rsync from the options of a task's own connection, and running them.

Ansible's connection can run one command at a time, gathers its output in memory and has no time limit; moving bytes and
looking at a pod that may be gone need more. The options, and the shared master connection, stay those of Ansible.
"""

from __future__ import annotations

import functools
import hashlib
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils.path import makedirs_safe, unfrackpath

from ...module_utils._core.shown import clean
from ...module_utils._pods.lease import RENEW
from ...module_utils._pods.programs import MOST_OUTPUT, Call, TooLong, TooMuch, run
from ...module_utils._pods.ssh_options import environment, first_options, inventory_arguments

# ssh's own exit code for "the connection failed"; no script of ours ends with it.
SSH_FAILED = 255
# The connection plugin of this collection; its hosts are pods, and nothing of the user's decides how they are reached.
POD = "podyard.gpu.pod"
# Stands before a script's output, since a pod's shell start-up files may print a banner.
MARK = b"@podyard@\n"


class OversizedAnswer(AnsibleActionFail):
    """A host wrote more than any honest answer holds, and was disconnected.

    The connection did not fail: asking again brings the same.
    """


@dataclass(frozen=True)
class Completed:
    """What a remote command left: exit code, standard output after the mark, what stood before it, error text."""

    code: int
    output: bytes
    banner: bytes
    error: str


@dataclass(frozen=True)
class SshHost:
    """A host as the ssh program is to reach it.

    `arguments` are all arguments before the host name, as Ansible's connection would pass them; `shared` says whether
    they lead to a master connection that several commands use.
    """

    executable: str
    label: str
    address: str
    arguments: tuple[str, ...]
    shared: bool

    @classmethod
    def of(cls, connection: Any, label: str | None = None) -> SshHost:
        """Read the options of an Ansible connection.

        `label` is what messages call the host, mostly its name in the inventory. Raises AnsibleActionFail for what
        cannot work.
        """
        _refuse(connection)
        option = connection.get_option
        if connection.transport == POD:
            socket = option("control_path")
            return cls("ssh", label or option("host"), option("host"), tuple(connection.arguments()), bool(socket))
        address = option("host")
        arguments = inventory_arguments(option, functools.partial(_control_path, option, address))
        shared = any("controlpath" in text.lower() for text in arguments)
        return cls(option("ssh_executable"), label or address, address, arguments, shared)

    @property
    def chooses_cipher(self) -> bool:
        """Whether the user's own arguments name a cipher."""
        return any("ciphers" in text.lower() or text == "-c" for text in self.arguments)

    def options(self, *, own: bool = False, bulk: bool = False) -> list[str]:
        """Return the ssh program and its options, without the host.

        With `own` it is a connection of its own instead of the shared one; with `bulk` one that is made for many bytes.
        """
        first = first_options(own, bulk, self.chooses_cipher)
        # -C wins over Compression=no, wherever it stands.
        rest = [text for text in self.arguments if not (bulk and text == "-C")]
        return [self.executable, *first, *rest]

    def command(self, remote: str, *, own: bool = False, bulk: bool = False) -> list[str]:
        """Return the whole local command that runs the text `remote` in the host's shell."""
        return [*self.options(own=own, bulk=bulk), "-T", "--", self.address, remote]

    def rsync_shell(self, *, bulk: bool = False) -> str:
        """Return the text for rsync's option -e.

        rsync splits it at blanks and knows quotes, in which a doubled quote is a quote.
        """
        return " ".join("'" + text.replace("'", "''") + "'" for text in self.options(bulk=bulk))

    def rsync_place(self, path: str) -> str:
        """HOST:PATH for rsync."""
        return f"[{self.address}]:{path}" if ":" in self.address else f"{self.address}:{path}"

    def drop_master(self) -> None:
        """End the shared master connection, whatever state it is in; everything that runs over it fails at once."""
        if self.shared:
            subprocess.run(
                [*self.options(), "-O", "exit", "--", self.address],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=10,
                env=environment(),
            )  # fmt: skip
            # 10 s: a local socket answers in milliseconds; a frozen master must not freeze us.


def _refuse(connection: Any) -> None:
    """Say in a sentence why this connection cannot be used, if so."""
    name = getattr(connection, "transport", "unknown")
    if name == POD:
        return
    if name != "ssh":
        raise AnsibleActionFail(
            "This task needs a host that is reached by the connection plugin ansible.builtin.ssh, but its "
            f"connection is {name!r}. Run it on the pod's host, not on localhost."
        )
    if connection.get_option("password"):
        raise AnsibleActionFail(
            "This task works with SSH keys only, and the host has a password set (ansible_password). Remove it and set "
            "ansible_ssh_private_key_file."
        )
    become = getattr(connection, "become", None)
    if become is not None and become.get_option("become_user") != connection.get_option("remote_user"):
        raise AnsibleActionFail("This task does not support become. Log in as the user who is to own the files.")


def _control_path(option: Any, address: str, arguments: Sequence[str]) -> str | None:
    """Return where Ansible's connection keeps its master's socket, computed as Ansible does.

    None when there is no master, or the arguments themselves name the place (then they also reach it without us).
    """
    lowered = [text.lower() for text in arguments]
    if not any("controlpersist" in text for text in lowered) or any("controlpath" in text for text in lowered):
        return None
    directory = unfrackpath(option("control_path_dir"))
    makedirs_safe(directory, 0o700)
    name = f"{address}-{option('port')}-{option('remote_user')}"
    pattern = (
        option("control_path") or "%(directory)s/" + hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:10]
    )
    return pattern % {"directory": directory}


def script(text: str, *arguments: str, renew: bool = True) -> str:
    """Return the remote command that runs a POSIX shell script with arguments, whatever the user's login shell is.

    It renews the pod's lease on its way, unless the caller only looks and does not work on the pod.
    """
    body = f"printf '%s\\n' {MARK.decode().strip()}\n{RENEW if renew else ''}\n{text.strip()}\n"
    return " ".join(["exec", "sh", "-c", shlex.quote(body), "sh", *(shlex.quote(argument) for argument in arguments)])


class Shell:
    """Runs scripts on a host, each in one round trip."""

    def __init__(self, host: SshHost) -> None:
        self.host = host

    def run(
        self,
        stage: str,
        remote: str,
        data: bytes = b"",
        *,
        timeout: float | None = None,
        own: bool = False,
        max_output: int = MOST_OUTPUT,
    ) -> Completed:
        """Run the command `remote`, feed it `data`, and return what it left.

        `stage` names the doing for messages, `timeout` is in seconds, `max_output` in bytes: a host that writes more,
        or more than a little error text, is hung up on. Raises AnsibleConnectionFailure when the connection fails or
        nothing came back in time, OversizedAnswer when too much did.
        """
        call = Call(self.host.command(remote, own=own), data, most_output=max_output, env=environment())
        try:
            done = run(call, timeout)
        except TooLong as error:
            raise AnsibleConnectionFailure(f"{stage}: {self.host.label} {error}.") from None
        except TooMuch as error:
            raise OversizedAnswer(f"{stage}: {self.host.label} {error}.") from None
        error_text = clean(done.errors.decode(errors="replace")).strip()
        banner, mark, rest = done.output.partition(MARK)
        if done.code == SSH_FAILED or not mark:
            raise unreachable(stage, self.host, error_text or banner.decode(errors="replace").strip())
        return Completed(done.code, rest, banner, error_text)


def unreachable(stage: str, host: SshHost, words: str) -> AnsibleConnectionFailure:
    """Return the failure for a connection that could not be made or broke, with ssh's own last words."""
    lines = [line for line in clean(words).splitlines() if line.strip()]
    told = " ".join(lines[-3:]) or "it broke without a word"
    return AnsibleConnectionFailure(f"{stage}: the SSH connection to {host.label} ({host.address}) failed: {told}")


def plain_environment() -> Mapping[str, str]:
    """Return the environment for local programs whose output is parsed."""
    return {**environment(), "LC_ALL": "C"}
