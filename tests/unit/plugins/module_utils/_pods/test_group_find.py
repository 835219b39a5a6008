# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group is made of: names, and host keys in one file."""

from __future__ import annotations

import os

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.group_find import GroupNames, KnownHosts


@pytest.mark.parametrize(
    ("name", "pod_name", "stands_for"),
    [
        ("x", "x", "x"),
        ("x", "x-0", "x-0"),
        ("x", "x-17", "x-17"),
        ("x", "x-017", None),
        ("x", "x-1-2", None),
        ("x", "xx", None),
        ("x.y", "x-y-1", None),
        ("podyard-d-r-0", "podyard-d-r-0-3", "podyard-d-r-0"),
        ("podyard-d-r-0", "podyard-d-r-1-1", None),
        ("podyard-d-r", "podyard-d-r-1-4", "podyard-d-r-1"),
        ("podyard-d-r", "podyard-d-r2-1-4", None),
        ("podyard-d-r-0-3", "podyard-d-r-0-3", "podyard-d-r-0-3"),
        ("podyard-d-r-0-3", "podyard-d-r-0-4", None),
    ],
)
def test_whose_pod_it_is(name, pod_name, stands_for):
    assert GroupNames(name).of(pod_name) == stands_for


def test_the_wanted_names():
    assert GroupNames("x").wanted() == ["x"]
    assert GroupNames("x", 2).wanted() == ["x-0", "x-1"]


def test_the_keys_of_several_pods_end_in_one_file(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text("[a]:1 ssh-ed25519 OLD\n[b]:2 ssh-ed25519 KEPT\n")
    hosts = KnownHosts(several=True)
    new, there = hosts.own(str(path), "x-0", keep=False), hosts.own(str(path), "x-1", keep=True)
    assert new != there
    assert not os.path.exists(new)
    with open(there, encoding="utf-8") as file:
        assert "KEPT" in file.read()
    with open(new, "w", encoding="utf-8") as file:
        file.write("[a]:1 ssh-ed25519 NEW\n[a]:1 ssh-rsa NEW\n")
    hosts.merge()
    assert sorted(path.read_text().splitlines()) == [
        "[a]:1 ssh-ed25519 NEW",
        "[a]:1 ssh-rsa NEW",
        "[b]:2 ssh-ed25519 KEPT",
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["known_hosts"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_pod_has_the_file_itself(tmp_path):
    path = str(tmp_path / "known_hosts")
    hosts = KnownHosts(several=False)
    assert hosts.own(path, "x", keep=False) == path
    hosts.merge()
    assert not os.path.exists(path)
