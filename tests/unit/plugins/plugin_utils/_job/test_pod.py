# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module pod as one mapping: a job's, and those that a caller hands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._module.pod import ARGUMENTS
from ansible_collections.podyard.gpu.plugins.plugin_utils._job import pod, spec

SPEC = Path(__file__).parents[5] / "roles" / "train" / "meta" / "argument_specs.yml"


def job(**changes: Any) -> dict[str, Any]:
    """A job of which nothing but defaults is known, and what follows from its name."""
    usual = {name.removeprefix(spec.PREFIX): spec.default(name, option) for name, option in spec.load(SPEC).items()}
    return {**usual, "identity": "podyard-demo-r1-0", **changes}


def test_a_job_says_what_it_says_and_leaves_the_rest_to_the_module():
    found = pod.of_job(job(gpus=["RTX 4090"], max_price=0.8))
    assert found == {
        "name": "podyard-demo-r1-0", "gpus": ["RTX 4090"], "gpu_count": 1, "max_price": 0.8, "hours": 24.0,
        "lease": 2.0, "rank_by": "preference", "interruptible": False, "disk": 20, "bootstrap_ssh": "auto",
        "attempts": 5, "deadline": 3600.0, "poll_interval": 3.0, "consistency_grace": 60.0, "ports": ["22/tcp"],
        "settings": False,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "option"), [("max_price", "max_price"), ("lease_hours", "lease"), ("bid", "bid")])
def test_zero_is_said(name, option):
    """A cap of 0 is a cap, and a lease of 0 is none: neither is the module's default."""
    assert pod.of_job(job(**{name: 0.0}))[option] == 0


def test_storage_and_filters_are_where_the_module_has_them():
    found = pod.of_job(job(volume_size=50, mount_path="/data", search={"inet_down": {"gt": 500}}))
    assert found["volume"] == {"size": 50, "path": "/data"} and "network_volume" not in found
    assert found["vastai"] == {"search": {"inet_down": {"gt": 500}}} and "runpod" not in found
    found = pod.of_job(job(network_volume="mine"))
    assert found["network_volume"] == {"name": "mine", "path": "/workspace"} and "volume" not in found


def test_every_option_of_a_job_is_one_of_the_module():
    everything = job(gpus=["a"], volume_size=50, network_volume="mine", search="gpu_ram>20")
    assert set(pod.of_job(everything)) <= set(ARGUMENTS)
    assert pod.complete(pod.of_job(job(volume_size=50)), "pod")["volume"] == {"size": 50, "path": "/workspace"}


def test_what_is_null_is_not_given():
    assert pod.given({"max_price": None, "interruptible": False, "lease": 0}, "pod") == {
        "interruptible": False,
        "lease": 0,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_prise": 1}, r"^x: max_prise is not an option of podyard.gpu.pod; did you mean max_price\?$"),
        ({"spec": {}}, r"^x: spec is not an option of podyard.gpu.pod"),
        ({7: 1}, r"^x: 7 is not an option"),
        (["gpus"], r"^x must be a mapping of options of podyard.gpu.pod, not a list\.$"),
        ("gpus=x", r"^x must be a mapping of options of podyard.gpu.pod, not a str\.$"),
    ],
)
def test_what_is_no_option_is_refused(options, said):
    with pytest.raises(pod.BadOptions, match=said):
        pod.given(options, "x")


def test_values_are_checked_and_converted():
    found = pod.complete({"max_price": "0", "interruptible": "no", "gpus": "RTX 4090"}, "plan_pod")
    assert (found["max_price"], found["interruptible"], found["gpus"]) == (0.0, False, ["RTX 4090"])
    assert (found["name"], found["hours"], found["attempts"]) == (None, 6.0, 5)
    with pytest.raises(pod.BadOptions, match=r"^plan_pod: .*'max_price' .*float\.$"):
        pod.complete({"max_price": "cheap"}, "plan_pod")
    with pytest.raises(pod.BadOptions, match=r"^plan_pod: .*nowhere"):
        pod.complete({"providers": ["nowhere"]}, "plan_pod")
