# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod of the sandbox is a host like any other."""

from __future__ import annotations


def test_it_is_a_pod(host):
    assert host.file("/workspace").is_directory
    assert "RTX 4090" in host.check_output("nvidia-smi -L")
