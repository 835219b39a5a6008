# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of ssh, as the real ssh reads them, under configurations that would break or betray them."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods import ssh_options
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ssh_options import Target

#: What a user may have in their file, each line of which breaks a connection or lends something to the pod.
HOSTILE = """\
Host *
  ForwardAgent yes
  ForwardX11 yes
  RemoteCommand bash -l
  RequestTTY force
  PermitLocalCommand yes
  LocalCommand touch /nonexistent
  SendEnv *
  SetEnv FOO=bar
  ControlMaster yes
  ControlPath ~/.ssh/cm-%C
  ControlPersist 600
  ProxyCommand false
  HostName 192.0.2.1
  HostKeyAlias somebody
  User someone
  Port 2200
  IdentityFile /nonexistent
  CertificateFile /nonexistent
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /etc/hosts
  StrictHostKeyChecking no
  LocalForward 18080 127.0.0.1:8080
  RemoteForward 18081 127.0.0.1:8080
  DynamicForward 18082
  Tunnel yes
  AddKeysToAgent yes
  VisualHostKey yes
  Compression yes
  LogLevel DEBUG3
  KbdInteractiveAuthentication yes
"""
ODD = ["my jobs", "O'Brien", "100%h", "a$HOME", 'a"b', "a\\b", "a\\\\b", "[x]*?", "-x", "größe", "~", "a#b", "a,b;c&d"]


def read_by_ssh(*words):
    """What ssh itself makes of its arguments: by option, all values."""
    done = subprocess.run(["ssh", "-G", *words], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _blank, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("kind", ["ours", "person", "of a record"])
def test_no_file_of_the_user_decides(tmp_path, kind):
    config = tmp_path / "config"
    config.write_text(HOSTILE)
    key = tmp_path / "key"
    # ssh -i leaves out what is not there.
    key.touch()
    target = Target("203.0.113.9", 40022, "root", "/run/known_hosts", str(key), strict=True)
    words = {
        "ours": [*ssh_options.arguments(target), target.host],
        "person": shlex.split(ssh_options.line(target))[1:],
        "of a record": ssh_options.ours(f"ssh -p 40022 -i {key} root@203.0.113.9", connect=20)[1:],
    }[kind]
    # As a program that stands before the real one would call it: its own file first.
    found = read_by_ssh("-F", str(config), *words)
    wanted = {
        "forwardagent": ["no"],
        "forwardx11": ["no"],
        "permitlocalcommand": ["no"],
        "user": ["root"],
        "port": ["40022"],
        "hostname": ["203.0.113.9"],
        "identityfile": [str(key)],
        "tunnel": ["false"],
    }
    assert {name: found.get(name) for name in wanted} == wanted
    never = ("remotecommand", "localcommand", "sendenv", "setenv", "proxycommand", "hostkeyalias", "certificatefile")
    never += ("localforward", "remoteforward", "dynamicforward")
    assert [name for name in never if found.get(name, ["none"]) != ["none"]] == []
    if kind != "person":
        assert found["requesttty"] == ["false"] and found["batchmode"] == ["yes"]
        assert found["clearallforwardings"] == ["yes"] and found["controlmaster"] == ["false"]
    if kind != "of a record":
        assert found["userknownhostsfile"] == ["/run/known_hosts"] and found["globalknownhostsfile"] == ["/dev/null"]
        assert found["stricthostkeychecking"] == ["true"]


@pytest.mark.parametrize("name", ODD)
def test_ssh_takes_paths_as_they_are(name):
    path = f"/home/ada/{name}/known_hosts"
    target = Target("h", 22, "root", path, path)
    for words in ([*ssh_options.arguments(target, socket=path), "h"], shlex.split(ssh_options.line(target))[1:]):
        found = read_by_ssh(*words)
        assert found["userknownhostsfile"] == [path]
        # ssh shows this one before it has taken the doubled sign for one.
        assert found["identityfile"] == [path.replace("%", "%%")]
    assert read_by_ssh(*ssh_options.arguments(target, socket=path), "h")["controlpath"] == [path]
    assert ssh_options.unusable(path) is None


@pytest.mark.parametrize("name", ["a${HOME}b", "a\nb", "a\x1b[31mb", "a\x7f"])
def test_what_no_ssh_can_be_told_is_refused(name):
    assert ssh_options.unusable(f"/home/ada/{name}/known_hosts")


def test_rsync_and_a_shell_read_the_line_as_it_is_meant(tmp_path):
    path = "/home/ada/O'Brien's \"jobs\" 100%/known_hosts"
    target = Target("h", 22, "root", path, path)
    program, option, shell = shlex.split(ssh_options.rsync_line(target))
    assert (program, option) == ("rsync", "-e")
    spy = tmp_path / "ssh"
    spy.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > '{tmp_path}/arguments'\nexit 9\n")
    spy.chmod(0o755)
    shell = shell.replace("ssh", f"'{spy}'", 1)
    subprocess.run([program, option, shell, "h:/x/", str(tmp_path)], check=False, capture_output=True)
    assert f"UserKnownHostsFile={ssh_options.quoted(path)}" in (tmp_path / "arguments").read_text().split("\0")


def test_no_key_of_an_account_is_in_the_environment_of_a_child():
    given = {"RUNPOD_API_KEY": "a", "VAST_API_KEY": "b", "SSH_AUTH_SOCK": "/agent", "PATH": "/bin"}
    assert ssh_options.environment(given) == {"SSH_AUTH_SOCK": "/agent", "PATH": "/bin"}


def test_a_terminal_is_for_people_alone():
    found = read_by_ssh(*ssh_options.ours("ssh root@h", connect=15, terminal=True)[1:])
    assert found["requesttty"] == ["force"] and found["escapechar"] != ["none"]
