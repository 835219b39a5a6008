# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of options that the modules for pods share."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Mount
from ansible_collections.podyard.gpu.plugins.module_utils._module import pod, pod_base, runpod_pod, vastai_instance
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec

MODULES = (pod, runpod_pod, vastai_instance)
# In these the modules differ on purpose: what a pod is called, what it can be brought into, how often it is tried.
OWN_WAY = {"name", "state", "attempts", "template", "volume", "interruptible"}


def params(module, **given):
    """What Ansible makes of the options: those that are given, and the declared defaults."""
    return {**{name: declared.get("default") for name, declared in module.ARGUMENTS.items()}, **given}


@pytest.mark.parametrize("module", MODULES)
def test_every_row_names_a_field_of_a_pod_and_no_two_the_same(module):
    named = [option.field for option in module.OPTIONS.values() if option.field is not None]
    assert {*named} <= {field.name for field in fields(PodSpec)}
    assert len(named) == len({*named})


def test_an_option_is_the_same_in_every_module():
    for name in {*pod.ARGUMENTS, *runpod_pod.ARGUMENTS, *vastai_instance.ARGUMENTS} - OWN_WAY:
        declared = [module.ARGUMENTS[name] for module in MODULES if name in module.ARGUMENTS]
        assert all(each == declared[0] for each in declared), name


def test_what_is_not_given_is_not_said():
    for module in (pod, runpod_pod):
        spec = pod_base.to_spec(module.OPTIONS, params(module))
        assert spec == PodSpec(hours=spec.hours)


def test_options_become_the_fields_of_a_pod():
    given = params(
        pod, gpus=["L40S"], regions=["SE"], hours=0, public_keys=[" a key \n", ""], max_price=0.0, disk=30,
        volume={"size": 50, "path": "/data"}, min_memory=31.0, gpu_count=2,
    )  # fmt: skip
    spec = pod.to_spec(given, {"A": "b"})
    assert (spec.gpus, spec.places, spec.hours, spec.public_keys) == (("L40S",), ("SE",), None, ("a key",))
    assert (spec.max_price, spec.disk_gb, spec.env) == (0.0, 30, {"A": "b"})
    assert spec.volume == Mount("disk", "/data", size_gb=50)
    assert (spec.min_ram_gb, spec.min_ram_per_gpu) == (31.0, 16)


def test_a_value_that_cannot_be_is_refused():
    given = params(pod, network_volume={"id": "a", "name": "b", "path": None})
    with pytest.raises(BadRequest, match="network_volume has id 'a' and name 'b'"):
        pod.to_spec(given, None)
