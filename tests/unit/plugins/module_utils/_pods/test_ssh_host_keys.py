# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it our pod that answers? Host keys learned from the pod's log, against a real ssh-keygen."""

from __future__ import annotations

import shutil
import stat
import subprocess

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ssh

HERE = Endpoint("127.0.0.1", 40123)


@pytest.fixture(name="key")
def made_key(tmp_path):
    """(type and blob, the line that ssh-keygen -lf prints for it) of a new key."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "root@pod", "-f", path], check=True)
    listing = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    return " ".join((tmp_path / "host_key.pub").read_text().split()[:2]), listing.strip()


def scanner(out, status=0):
    return lambda argv: (status, out, "")


def test_a_fingerprint_is_the_one_that_openssh_prints(key):
    blob, listing = key
    assert ssh.printed([f"boot: {listing}"]) == {ssh.fingerprint(blob.split()[1])}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Accepted publickey for root from 10.0.0.1 port 5 ssh2: ED25519 SHA256:" + "A" * 43,
        "SHA256:" + "A" * 43,
        "256 SHA256:" + "A" * 20 + " root@pod (ED25519)",
        "256 MD5:aa:bb root@pod (ED25519)",
    ],
)
def test_other_lines_print_no_host_key(line):
    assert ssh.printed([line]) == set()


def test_a_scan_reads_the_keys_and_skips_the_rest(key):
    blob, _listing = key
    asked = []

    def run(argv):
        asked.append(argv)
        return (
            0,
            f"# 127.0.0.1:40123 SSH-2.0\n[127.0.0.1]:40123 {blob}\n[127.0.0.1]:40123 ssh-rsa !!!\nshort line\n",
            "",
        )

    (found,) = ssh.scan(run, HERE)
    assert found.line == f"[127.0.0.1]:40123 {blob}"
    assert found.fingerprint.startswith("SHA256:")
    assert asked == [["ssh-keyscan", "-T", "5", "-p", "40123", "127.0.0.1"]]
    assert ssh.scan(scanner("", 1), HERE) == []


OURS = ssh.HostKey("[h]:1 ssh-ed25519 AAAA", "SHA256:ours")
THEIRS = ssh.HostKey("[h]:1 ssh-rsa BBBB", "SHA256:theirs")


def test_only_keys_that_the_pod_printed_are_trusted():
    verdict = ssh.judge([OURS, THEIRS], {"SHA256:ours", "SHA256:of an earlier start"})
    assert (verdict.mode, verdict.lines) == ("strict", (OURS.line,))


def test_without_a_printed_key_the_first_one_seen_is_taken():
    assert ssh.judge([OURS], set()) == ssh.Verdict("accept-new")


def test_a_stranger_is_refused():
    verdict = ssh.judge([THEIRS], {"SHA256:ours"})
    assert verdict.mode is None
    assert "another machine answers" in verdict.problem
    assert "SHA256:theirs" in verdict.problem


def test_no_key_is_no_trust():
    assert ssh.judge([], {"SHA256:ours"}).mode is None
    assert ssh.judge([], set()).mode is None


def test_known_hosts_are_replaced_at_once_and_private(tmp_path):
    path = tmp_path / "run" / "known_hosts"
    ssh.write_known_hosts(str(path), ["a", "b"])
    assert path.read_text() == "a\nb\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ssh.write_known_hosts(str(path), [])
    assert path.read_text() == ""
    assert [each.name for each in path.parent.iterdir()] == ["known_hosts"]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CloudError, match="cannot be written"):
        ssh.write_known_hosts(str(tmp_path / "file" / "known_hosts"), [])
