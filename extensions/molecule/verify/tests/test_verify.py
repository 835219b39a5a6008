# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role verify found is what the pod has."""

from __future__ import annotations

import json


def test_the_gpu_is_the_one_that_nvidia_smi_lists(host):
    measured = json.loads(host.file("/workspace/measured.json").content_string)
    assert measured["problems"] == []
    [gpu] = measured["gpus"]
    assert gpu["name"] in host.check_output("nvidia-smi -L")
    assert measured["driver_version"] in host.check_output("nvidia-smi")


def test_the_disk_is_the_mount(host):
    measured = json.loads(host.file("/workspace/measured.json").content_string)
    assert measured["disk"]["path"] == "/workspace"
    assert measured["disk"]["writable"]


def test_nothing_is_left_of_the_probe(host):
    left = host.check_output("find /workspace -maxdepth 1 -name '.*podyard*'")
    assert left == ""
