# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known lines of a pod's log are told apart: the host's fault, or the image's."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.logs import diagnose


@pytest.mark.parametrize(
    ("line", "words", "everywhere"),
    [
        ("Error: Container ID 1516583083 cannot be mapped to a host ID", "number too large for the hosts", True),
        ("failed to create: layer does not exist", "store of images is broken", False),
        (
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver",
            "min_cuda_version to 12.8 or later",
            False,
        ),
        ("podyard: SSH cannot be set up: the container runs as user 1000, and only root", "Another host will", True),
        ("podyard: SSH cannot be set up: the image has no SSH server, and no apt-get", "Another host will", True),
        ("podyard: SSH cannot be set up: apk could not install an SSH server: E", "rent again", False),
        ("toomanyrequests: You have reached your pull rate limit", "option registry", False),
        ("manifest for foo/bar:1 not found: manifest unknown", "option image", True),
        ("pull access denied for foo/bar, repository does not exist or may require 'docker login'", "private", True),
        ("no matching manifest for linux/amd64 in the manifest list entries", "kind of processor", True),
        ("write /root/x: no space left on device", "option disk", False),
        ('exec: "trian.sh": executable file not found in $PATH: unknown', "check args", True),
        ("exec /start.sh: no such file or directory", "check args", True),
    ],
)
def test_a_known_line_is_a_sentence(line, words, everywhere):
    found = diagnose(["Pulling image", line, "Retrying"])
    assert found is not None
    assert words in found.sentence
    assert found.everywhere is everywhere


@pytest.mark.parametrize("lines", [[], ["Pulling image", "Started", "epoch 3, loss 0.1", "mapped 3 hosts"]])
def test_other_lines_say_nothing(lines):
    assert diagnose(lines) is None
