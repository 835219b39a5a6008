# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of an inventory: expressions of JMESPath over the variables of a host."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory import filters
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory.filters import compiled

POD = {
    "pod_id": "abc",
    "pod_name": "digits",
    "pod_gpu": "RTX 4090",
    "pod_gpu_count": 2,
    "pod_usd_per_hour": 0.69,
    "pod_project": None,
    "pod_reachable": False,
    "pod_image": "",
}


@pytest.mark.parametrize(
    "expression, taken",
    [
        ("pod_gpu == 'RTX 4090'", True),
        ("pod_gpu_count > `1` && pod_usd_per_hour < `0.5`", False),
        ("starts_with(pod_gpu, 'RTX') || pod_gpu == 'L40S'", True),
        ("!pod_reachable", True),
        ("pod_reachable", False),
        ("pod_project", False),
        ("pod_image", False),
        ("pod_usd_per_hour", True),
        ("`0`", True),
        ("[pod_gpu, pod_name][?contains(@, '4090')]", True),
        ("{gpu: pod_gpu}.gpu | [?other]", False),
    ],
)
def test_what_is_true_is_taken(expression, taken):
    assert compiled([expression], POD)(POD) is taken


def test_every_expression_must_be_true():
    assert compiled([], POD)(POD)
    assert compiled(["pod_gpu", "pod_name"], POD)(POD)
    assert not compiled(["pod_gpu", "pod_project"], POD)(POD)


@pytest.mark.parametrize(
    "expression, said",
    [
        ("pod_gpu ==", "The filter 'pod_gpu ==' is not a JMESPath expression"),
        ("nothing(pod_gpu)", "nothing"),
        ("pod_gpus == 'x'", "names pod_gpus, which is not a host variable; did you mean pod_gpu"),
        ("pod_gpu && zzz", "names zzz, which is not a host variable; there are pod_gpu"),
        ("contains(pod_project, 'x')", "fails on the pod 'digits' \\(abc\\)"),
    ],
)
def test_a_wrong_expression_is_told(expression, said):
    with pytest.raises(BadRequest, match=said):
        compiled([expression], POD)(POD)


def test_without_the_library_only_filters_fail(monkeypatch):
    monkeypatch.setattr(filters, "LIBRARY_PROBLEM", ImportError("No module named 'jmespath'"))
    assert compiled([], POD)(POD)
    with pytest.raises(BadRequest, match=r"needs the Python library jmespath.*No module named"):
        compiled(["pod_gpu"], POD)
