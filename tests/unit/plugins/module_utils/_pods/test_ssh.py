# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a pod over SSH while it comes up."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ssh
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import refused_url


@contextlib.contextmanager
def listener(data, hold=None):
    """A server on loopback that sends these bytes to the first who connects, then closes, or holds until told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _address = server.accept()
            with connection:
                connection.sendall(data)
                if hold is not None:
                    hold.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Endpoint("127.0.0.1", server.getsockname()[1])
        if hold is not None:
            hold.set()
        thread.join(30)


def test_a_banner_is_an_ssh_server():
    with listener(b"SSH-2.0-OpenSSH_9.2\r\n") as endpoint:
        assert ssh.read_banner(endpoint) == (True, "SSH-2.0-OpenSSH_9.2")


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "closed without an SSH banner"), (b"HTTP/1.1 400 Bad\r\n", "not an SSH server")]
)
def test_what_answers_otherwise_is_none(data, words):
    with listener(data) as endpoint:
        answered, why = ssh.read_banner(endpoint)
    assert not answered
    assert words in why


def test_silence_is_given_up():
    with listener(b"", hold=threading.Event()) as endpoint:
        assert ssh.read_banner(endpoint, timeout=0.1) == (False, "no SSH banner within the time-out")


def test_a_closed_port_says_so():
    port = int(refused_url().rsplit(":", 1)[1])
    assert ssh.read_banner(Endpoint("127.0.0.1", port)) == (False, "Connection refused")


def test_the_command_asks_nothing_and_knows_only_the_runs_hosts():
    argv = ssh.command(Endpoint("h", 22022, "root"), "/run/known_hosts", "strict", "/run/key", "true")
    assert argv[0] == "ssh"
    assert argv[-3:] == ["--", "h", "true"]
    assert argv[argv.index("-p") + 1] == "22022" and argv[argv.index("-l") + 1] == "root"
    for option in (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/run/known_hosts",
        "IdentityFile=/run/key",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "ControlPath=none",
    ):
        assert option in argv


def test_without_a_key_ssh_uses_its_own():
    argv = ssh.command(Endpoint("h", 22), "/k", "accept-new", None, "true")
    assert "StrictHostKeyChecking=accept-new" in argv
    assert not any(word.startswith("IdentityFile") for word in argv)
    assert "IdentitiesOnly=yes" not in argv


def answering(status, out, err=""):
    return lambda argv: (status, out, err)


def test_a_probe_finds_python_between_banners():
    out = "Welcome!\npodyard:begin\npodyard:python=3.12.3 /usr/bin/python3\npodyard:end\n"
    assert ssh.probe(answering(0, out), []) == ssh.Probe(True, True, "/usr/bin/python3", "3.12.3")


def test_a_pod_without_python_answers_too():
    assert ssh.probe(answering(0, "podyard:begin\npodyard:end\n"), []) == ssh.Probe(True, True)


def test_a_login_that_fails_says_why():
    err = "debug\nroot@h: Permission denied (publickey).\n"
    probe = ssh.probe(answering(255, "", err), [])
    assert probe == ssh.Probe(False, False, problem="root@h: Permission denied (publickey).")
    assert ssh.probe(answering(255, "", ""), []).problem == "ssh ended without a word"


@pytest.mark.parametrize(
    ("status", "out", "err", "words"),
    [
        (1, "This account is currently not available.\n", "", "failed with 1: This account is currently not"),
        (127, "", "sh: not found", "failed with 127: sh: not found"),
        (0, "", "", "failed with 0: no output"),
    ],
)
def test_a_user_for_whom_no_command_runs_is_not_logged_in(status, out, err, words):
    probe = ssh.probe(answering(status, out, err), [])
    assert not probe.logged_in
    assert not probe.answered
    assert words in probe.problem
    assert ssh.is_refused(probe)


def test_a_command_that_is_torn_is_no_failed_login():
    torn = ssh.probe(answering(255, "podyard:begin\n", "Connection reset"), [])
    assert torn.logged_in
    assert not torn.answered
    assert not ssh.is_refused(torn)


def test_the_probe_runs_in_a_plain_shell():
    done = subprocess.run(["sh", "-c", ssh.PROBE], check=True, capture_output=True, text=True)
    probe = ssh.probe(answering(0, done.stdout), [])
    assert probe.answered
    assert probe.python is not None
    version = subprocess.run([probe.python, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.split()[1].startswith(probe.python_version)


def test_the_probe_finds_no_python_where_there_is_none(tmp_path):
    shell = shutil.which("sh")
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    text = ssh.PROBE.replace("/usr/local/bin/python3 /usr/bin/python3 /opt/conda/bin/python3", "")
    done = subprocess.run([shell, "-c", text], check=True, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert ssh.probe(answering(0, done.stdout), []) == ssh.Probe(True, True)


def run(argv):
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="key")
def made_key(tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")

    def make(name, passphrase=""):
        path = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path], check=True)
        return str(path), (tmp_path / f"{name}.pub").read_text().strip()

    return make


def test_a_key_that_opens_the_pod_passes_whatever_its_comment(key):
    path, public = key("a")
    _other, other = key("b")
    ssh.check_key(run, path, [other, f"{public} with another comment"])


def test_a_key_that_opens_nothing_is_refused_before_anything_is_rented(key):
    path, _public = key("a")
    _other, other = key("b")
    with pytest.raises(BadRequest, match=r"opens none.*nothing was rented"):
        ssh.check_key(run, path, [other])


def test_a_key_with_a_passphrase_is_refused_unless_an_agent_holds_it(key, monkeypatch):
    path, public = key("locked", "secret")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(BadRequest, match=r"has a passphrase.* no SSH agent holds .*ssh-add.* Nothing was rented"):
        ssh.check_key(run, path, [public])
    told = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    for name, value in re.findall(r"(SSH_\w+)=([^;]+);", told):
        monkeypatch.setenv(name, value)
    try:
        asks = {**os.environ, "SSH_ASKPASS": "/bin/true", "SSH_ASKPASS_REQUIRE": "never"}
        unlocked = shutil.copy(path, f"{path}.open")
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", unlocked], check=True)
        assert ssh.key_problem(run, path), "the agent holds none yet"
        subprocess.run(["ssh-add", "-q", unlocked], check=True, env=asks)
        assert ssh.key_problem(run, path) is None
        ssh.check_key(run, path, [public])
    finally:
        subprocess.run(["ssh-agent", "-k"], check=True, capture_output=True)


def test_a_key_that_everybody_may_read_is_refused_as_ssh_would(key, tmp_path):
    path, public = key("a")
    (tmp_path / "a").chmod(0o644)
    with pytest.raises(BadRequest, match=r"cannot be used: Permissions 0644 .* are too open.*Nothing was rented"):
        ssh.check_key(run, path, [public])


def test_a_refusal_is_a_matter_of_the_user_and_a_silence_is_not():
    assert ssh.is_refused(ssh.Probe(False, False, problem="root@h: Permission denied (publickey)."))
    assert ssh.is_refused(ssh.Probe(True, False, problem='Please login as the user "ubuntu" rather than "root".'))
    assert not ssh.is_refused(ssh.Probe(False, False, problem="Connection reset by peer"))
    assert not ssh.is_refused(ssh.Probe(True, True, problem="Permission denied"))
