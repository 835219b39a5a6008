# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a public key, what is not, and what no message repeats."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.public_keys import (
    fingerprint,
    identity,
    is_public_key,
    key_lines,
    public_key_problem,
)

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ"


@pytest.mark.parametrize(
    "line", [f"ssh-ed25519 {BLOB}", f"ecdsa-sha2-nistp256 {BLOB}== me at home", f"sk-x@y {BLOB} a"]
)
def test_public_keys(line):
    assert is_public_key(line)
    assert public_key_problem([line]) is None


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "/home/me/.ssh/id.pub", f"ssh-ed25519 {BLOB}\n", f"ssh-ed25519 {BLOB}!", f"x {BLOB}"]
)
def test_what_is_no_public_key(line):
    assert not is_public_key(line)
    assert repr(line[:30]) in public_key_problem([f"ssh-ed25519 {BLOB}", line])


def test_nothing_of_a_private_key_is_repeated():
    problem = public_key_problem(["-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt"])
    assert "a private key" in problem
    assert "b3Bl" not in problem


def test_no_fingerprint_of_what_is_no_base64():
    assert fingerprint("!!!") is None
    assert fingerprint("é") is None


def test_the_comment_does_not_tell_two_keys_apart():
    assert identity(f"ssh-ed25519  {BLOB} me@home") == identity(f"ssh-ed25519 {BLOB}") == ("ssh-ed25519", BLOB)
    assert identity(f"ssh-rsa {BLOB}") != identity(f"ssh-ed25519 {BLOB}")
    assert identity("odd") == ("odd", "")


def test_lines_that_may_be_keys():
    assert key_lines(f"# mine\n\n  ssh-ed25519 {BLOB} a \r\n  # more\nodd") == [f"ssh-ed25519 {BLOB} a", "odd"]
