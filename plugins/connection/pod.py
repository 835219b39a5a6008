# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection podyard.gpu.pod: SSH to a rented pod, by the pod's own connection data and nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pod
short_description: Reach a rented pod by SSH
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Runs commands on a pod with the C(ssh) program of this machine. Address, key and host key are options of the host.
    No file of the user or of the system (C(~/.ssh/config), C(/etc/ssh/ssh_config)) and none of Ansible's settings for
    SSH (C(ansible.cfg), E(ANSIBLE_SSH_ARGS) and the like) has any effect.
  - The API keys of the providers are not in the environment of C(ssh).
  - What a pod answers is read up to 64 MiB; past that the connection ends, and the task fails.
  - There is no terminal, no password and no C(become). Modules are sent over the connection without files, whatever
    E(ANSIBLE_PIPELINING) says.
options:
  host:
    description: The address of the pod.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
  port:
    description: The port of its SSH server.
    type: int
    default: 22
    vars:
      - name: ansible_port
  remote_user:
    description: The user to log in as.
    type: str
    default: root
    vars:
      - name: ansible_user
  private_key_file:
    description: The private key.
    type: path
    vars:
      - name: ansible_ssh_private_key_file
  known_hosts_file:
    description: The file with the pod's host key.
    type: path
    vars:
      - name: podyard_known_hosts_file
  host_key_checking:
    description:
      - With V(strict) the host key must already be in O(known_hosts_file); with V(accept-new) the first host key that
        is seen is written there.
    type: str
    choices: [strict, accept-new]
    default: strict
    vars:
      - name: podyard_host_key_checking
  control_path:
    description:
      - The socket of a connection that several commands share. If not given, each command has its own.
    type: path
    vars:
      - name: podyard_control_path
  retries:
    description: How often a command is tried again whose connection failed.
    type: int
    default: 3
    vars:
      - name: podyard_ssh_retries
"""

import time
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ..module_utils._core.shown import clean, clean_result
from ..module_utils._pods.programs import Call, Done, TooMuch, run
from ..module_utils._pods.ssh_options import Target, arguments, environment

# Bytes of an answer. A module returns some kilobytes; a fetched file may be larger.
MOST_OUTPUT = 64 << 20
MOST_ERRORS = 4 << 20
# ssh's own exit code for "the connection failed".
SSH_FAILED = 255
# The longest pause between two tries, in seconds: a host that is busy for a moment answers again within it.
LONGEST_PAUSE = 30


class Connection(ConnectionBase):
    """A connection in which each command is one call of ssh."""

    transport = "podyard.gpu.pod"
    has_pipelining = True
    # Regardless of the user's settings: without pipelining each module takes several round trips, perhaps to another
    # continent.
    always_pipeline_modules = True
    has_tty = False

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def close(self) -> None:
        """Note that the connection is closed: ssh's master ends by itself."""
        self._connected = False

    def arguments(self) -> list[str]:
        """Return all arguments of ssh before the host."""
        option = self.get_option
        if not option("known_hosts_file"):
            raise AnsibleError(
                f"The host {option('host')} has no podyard_known_hosts_file, and without it any machine could pose as "
                "the pod."
            )
        target = Target(
            host=option("host"),
            port=option("port"),
            user=option("remote_user"),
            known_hosts=option("known_hosts_file"),
            key=option("private_key_file"),
            strict=option("host_key_checking") == "strict",
        )
        return arguments(target, socket=option("control_path"))

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command in the pod's shell; try again when the connection fails."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if sudoable and self.become is not None and self.become.success and self.become.success in cmd:
            raise AnsibleError(
                "The connection podyard.gpu.pod does not support become: log in as the user that you need."
            )
        host = self.get_option("host")
        call = Call(
            ["ssh", "-T", *self.arguments(), "--", host, cmd],
            in_data or b"",
            most_output=MOST_OUTPUT,
            most_errors=MOST_ERRORS,
            env=environment(),
        )
        Display().vvv(f"POD EXEC {cmd}", host=host)
        done = self._tried(call, host)
        # A fetched file must stay as it is; any other output may end up on a screen.
        output = clean_result(done.output) if sudoable else done.output
        return done.code, output, clean(done.errors.decode(errors="replace")).encode()

    def _tried(self, call: Call, host: str) -> Done:
        retries = self.get_option("retries")
        for attempt in range(retries + 1):
            try:
                done = run(call)
            except TooMuch as error:
                raise AnsibleError(f"The pod at {host} {error}.") from error
            except OSError as error:
                raise AnsibleError(f"ssh cannot be started: {error}") from error
            if done.code != SSH_FAILED:
                return done
            if attempt < retries:
                time.sleep(min(2**attempt - 1, LONGEST_PAUSE))
        words = " ".join(clean(done.errors.decode(errors="replace")).split())[-300:]
        raise AnsibleConnectionFailure(f"The SSH connection to {host} failed: {words or 'ssh ended without a word'}")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Send a file."""
        super().put_file(in_path, out_path)
        try:
            data = Path(in_path).read_bytes()
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(f"There is no file {in_path} to send.") from error
        # Ansible's own quoting, which leaves a path alone that needs none.
        self._checked(f"cat > {self._shell.quote(out_path)}", data, f"{in_path} cannot be sent to {out_path}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Fetch a file."""
        super().fetch_file(in_path, out_path)
        data = self._checked(f"cat < {self._shell.quote(in_path)}", b"", f"{in_path} cannot be fetched")
        Path(out_path).write_bytes(data)

    def _checked(self, cmd: str, data: bytes, what: str) -> bytes:
        code, output, errors = self.exec_command(cmd, in_data=data, sudoable=False)
        if code != 0:
            raise AnsibleError(f"{what}: {errors.decode(errors='replace').strip() or f'exit code {code}'}")
        return output

    def reset(self) -> None:
        """End the shared connection, so that the next command makes a new one."""
        if self.get_option("control_path"):
            host = self.get_option("host")
            # 10 s: a local socket answers in milliseconds.
            run(Call(["ssh", *self.arguments(), "-O", "exit", "--", host], env=environment()), 10.0)
        self.close()
