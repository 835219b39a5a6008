# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines for ssh and rsync from the options of Ansible's own connection."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import OversizedAnswer, Shell, SshHost, script


@pytest.fixture(name="connect")
def _connect(tmp_path):
    """Makes an Ansible connection with the variables of a host."""

    def make(name="ssh", **variables) -> Any:
        connection = connection_loader.get(name, PlayContext())
        given = {"ansible_host": "203.0.113.9", "ansible_control_path_dir": str(tmp_path / "cp"), **variables}
        connection.set_options(var_options=given)
        return connection

    return make


def ansibles_own(connection):
    """The arguments that Ansible itself passes to ssh, after it has settled its host as before a command."""
    connection.host = connection.get_option("host")
    return [part.decode() for part in connection._build_command("ssh", "ssh")]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ansible_port": 40022, "ansible_user": "root"},
        {"ansible_ssh_private_key_file": "/keys/a key", "ansible_host_key_checking": False},
        {"ansible_ssh_common_args": "-o UserKnownHostsFile='/a b/known_hosts' -o StrictHostKeyChecking=yes"},
        {"ansible_ssh_args": "-o ControlMaster=no", "ansible_ssh_extra_args": "-o LogLevel=ERROR"},
        {"ansible_ssh_common_args": "-o ControlPath=/own/socket"},
        {"ansible_control_path": "%(directory)s/named-by-user"},
    ],
)
def test_all_that_ansible_says_to_ssh_is_said(connect, variables):
    connection = connect(**variables)
    ours = SshHost.of(connection).options()
    # Ansible also rules out passwords in detail; batch mode covers them.
    mine = (
        "BatchMode",
        "KbdInteractiveAuthentication",
        "PreferredAuthentications",
        "PasswordAuthentication",
        "NumberOf",
    )
    expected = [part for part in ansibles_own(connection) if part != "-o" and not part.startswith(mine)]
    assert [part for part in ours if part in expected] == expected


def test_the_master_connection_is_ansibles(connect):
    connection = connect(ansible_port=40022, ansible_user="root")
    host = SshHost.of(connection)
    socket = next(part for part in host.options() if part.startswith("ControlPath"))
    assert socket in ansibles_own(connection)
    assert host.shared is True


def test_without_persistence_nothing_is_shared(connect):
    host = SshHost.of(connect(ansible_ssh_args="-o Compression=yes"))
    assert host.shared is False
    host.drop_master()


def test_bulk_has_its_own_fast_connection(connect):
    options = SshHost.of(connect()).options(bulk=True)
    assert options[1:9] == [
        "-S", "none", "-o", "ControlMaster=no", "-o", "Compression=no", "-o", "Ciphers=^aes128-gcm@openssh.com",
    ]  # fmt: skip
    assert "-C" not in options


@pytest.mark.parametrize("choice", ["-o Ciphers=aes256-ctr", "-c aes256-ctr"])
def test_the_users_cipher_stands(connect, choice):
    options = SshHost.of(connect(ansible_ssh_common_args=choice)).options(bulk=True)
    assert not any("aes128-gcm" in part for part in options)


def test_rsync_reads_its_shell_as_we_mean_it(connect, tmp_path):
    connection = connect(ansible_ssh_common_args="""-o "ProxyCommand=nc -x 'a b' %h %p" -o 'X="quoted"'""")
    host = SshHost.of(connection)
    spy = tmp_path / "it's an ssh"
    spy.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > '{tmp_path}/arguments'\nexit 9\n")
    spy.chmod(0o755)
    host = SshHost(str(spy), "pod", "203.0.113.9", host.arguments, host.shared)
    subprocess.run(
        ["rsync", "-e", host.rsync_shell(), host.rsync_place("/x/"), str(tmp_path)], check=False, capture_output=True
    )
    arguments = (tmp_path / "arguments").read_text().split("\0")
    assert arguments[: len(host.arguments)] == list(host.arguments)
    assert arguments[len(host.arguments)] == "203.0.113.9"


def test_an_ipv6_address_is_bracketed_for_rsync(connect):
    assert SshHost.of(connect(ansible_host="2001:db8::1")).rsync_place("/x") == "[2001:db8::1]:/x"


def test_other_connections_and_passwords_are_refused(connect):
    with pytest.raises(AnsibleActionFail, match="its connection is 'local'"):
        SshHost.of(connect("local"))
    with pytest.raises(AnsibleActionFail, match="SSH keys only"):
        SshHost.of(connect(ansible_password="x"))
    become = SimpleNamespace(get_option={"become_user": "nobody"}.get)
    connection = connect(ansible_user="root")
    connection.become = become
    with pytest.raises(AnsibleActionFail, match="does not support become"):
        SshHost.of(connection)
    connection.become = SimpleNamespace(get_option={"become_user": "root"}.get)
    assert SshHost.of(connection).address == "203.0.113.9"


@pytest.fixture(name="shell")
def _shell(tmp_path):
    """A shell whose ssh is a script of the test; its last argument is the remote command."""

    def make(text):
        program = tmp_path / "ssh"
        program.write_text(f"#!/bin/sh\nfor command; do :; done\n{text}\n")
        program.chmod(0o755)
        return Shell(SshHost(str(program), "my-pod", "203.0.113.9", (), False))

    return make


HERE = 'exec sh -c "$command"'


def test_a_script_gets_its_arguments_and_its_input(shell):
    odd = ["it's", "$HOME", "a\nb", ""]
    done = shell(HERE).run("testing", script('printf "%s|" "$@"; cat; exit 3', *odd), b"input")
    assert done.output == b"it's|$HOME|a\nb||input"
    assert done.code == 3


def test_a_banner_is_told_apart(shell):
    done = shell(f"printf 'Welcome @ home'; {HERE}").run("testing", script("echo x"))
    assert (done.banner, done.output) == (b"Welcome @ home", b"x\n")


@pytest.mark.parametrize("text", ["echo 'Connection refused' >&2; exit 255", "echo 'Connection refused' >&2; exit 0"])
def test_a_failed_connection_is_said_with_its_stage(shell, text):
    with pytest.raises(AnsibleConnectionFailure) as failure:
        shell(text).run("reading /data", script("true"))
    assert "reading /data: the SSH connection to my-pod (203.0.113.9) failed: Connection refused" in str(failure.value)


def test_a_host_that_does_not_answer_is_given_up(shell):
    with pytest.raises(AnsibleConnectionFailure, match=r"testing: my-pod gave no answer for 0\.2 s\."):
        shell("exec sleep 1000").run("testing", script("true"), timeout=0.2)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_host_that_writes_without_end_is_hung_up_on(shell, stream):
    endless = f"exec >&{stream}; while :; do printf '%0999d' 0; done"
    with pytest.raises(OversizedAnswer, match=r"testing: my-pod answered with more than .*; the connection was ended"):
        shell(endless).run("testing", script("true"), timeout=60, max_output=4096)
    assert not issubclass(OversizedAnswer, AnsibleConnectionFailure), "it is no silence, which would be asked again"


def test_a_host_that_never_reads_is_given_up(shell):
    with pytest.raises(AnsibleConnectionFailure, match="gave no answer"):
        shell("exec sleep 1000").run("testing", script("true"), b"x" * (1 << 20), timeout=0.2)
