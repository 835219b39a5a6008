# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is against what is wanted."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._pods import diff
from ansible_collections.podyard.gpu.plugins.module_utils._pods.diff import compare
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import IMAGE, KEY, offer, pod

DISK = Mount("disk", "/workspace", 50)
NETWORK = Mount("network", "/workspace", volume_id="v1")


def fields(made, **wanted):
    return {change.field: change.value for change in compare(made, PodSpec(name="x", **wanted))}


def test_what_is_not_given_is_not_compared():
    assert fields(pod(disk_gb=99, ports=("1/tcp",), cloud="COMMUNITY", gpu_count=8, args="x", registry="r")) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        {"image": IMAGE},
        {"disk_gb": 20},
        {"ports": ("22/tcp",)},
        {"args": ""},
        {"gpus": ("A40", "rtx4090")},
        {"gpu_count": 1},
        {"clouds": ("SECURE",)},
        {"regions": ("eu-ro-1",)},
        {"max_price": 0.69},
        {"env": {}},
        {"public_keys": (KEY,)},
    ],
)
def test_what_is_as_wanted_is_no_change(wanted):
    assert fields(pod(), **wanted) == {}


@pytest.mark.parametrize(
    ("wanted", "change"),
    [
        ({"image": "other:1"}, {"image": "other:1"}),
        ({"disk_gb": 40}, {"disk_gb": 40}),
        ({"args": "sleep infinity"}, {"args": "sleep infinity"}),
        ({"registry": "r1"}, {"registry": "r1"}),
        ({"ports": ("22/tcp", "8888/http")}, {"ports": ["22/tcp", "8888/http"]}),
        ({"ports": ()}, {"ports": []}),
        ({"env": {"A": "1"}}, {"env": {"A": "1"}}),
    ],
)
def test_what_differs_is_a_change_that_resets_the_container(wanted, change):
    assert fields(pod(), **wanted) == change
    assert all(each.resets for each in compare(pod(), PodSpec(name="x", **wanted)))


def test_the_order_of_ports_does_not_matter():
    assert fields(pod(ports=("22/tcp", "8888/http")), ports=("8888/http", "22/tcp")) == {}


def test_a_name_differs_only_for_a_pod_that_is_named_by_its_id():
    assert fields(pod()) == {}
    (change,) = compare(pod(), PodSpec(name="new", id="p1"))
    assert (change.field, change.value, change.resets) == ("name", "new", False)


# -- the environment


def test_a_variable_that_is_removed_is_noticed():
    assert fields(pod(env={"A": "1", "B": "2"}), env={"A": "1"}) == {"env": {"A": "1"}}


@pytest.mark.parametrize("name", ["PUBLIC_KEY", "JUPYTER_PASSWORD"])
def test_what_the_service_adds_is_kept_and_no_change(name):
    made = pod(env={"A": "1", name: "x"})
    assert fields(made, env={"A": "1"}) == {}
    assert fields(made, env={"A": "2"}) == {"env": {"A": "2", name: "x"}}


def test_what_a_template_brings_along_is_kept():
    made = pod(env={"A": "1", "T": "t"})
    assert fields(made, env={"A": "1"}, template_id="tpl") == {}
    assert fields(made, env={"A": "2"}, template_id="tpl") == {"env": {"A": "2", "T": "t"}}


def test_another_key_is_a_change_where_the_service_shows_keys():
    made = pod(env={"A": "1", "PUBLIC_KEY": KEY})
    assert fields(made, public_keys=(KEY,)) == {}
    assert fields(made, public_keys=("ssh-rsa AAAA x",)) == {"env": {"A": "1", "PUBLIC_KEY": "ssh-rsa AAAA x"}}


def test_where_the_service_shows_no_key_none_is_compared_but_a_change_keeps_it():
    assert fields(pod(env={"A": "1"}), env={"A": "1"}, public_keys=(KEY,)) == {}
    assert fields(pod(env={"A": "1"}), env={"A": "2"}, public_keys=(KEY,)) == {"env": {"A": "2", "PUBLIC_KEY": KEY}}


# -- what cannot be changed


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"gpus": ("A40", "L40S")}, "its GPU is RTX 4090, but you asked for A40 or L40S"),
        ({"gpu_count": 2}, "it has 1 GPUs, but you asked for 2"),
        ({"clouds": ("COMMUNITY",)}, "it is in the cloud SECURE, but you asked for COMMUNITY"),
        ({"regions": ("US-1",)}, "it is in EU-RO-1, but you asked for US-1"),
        ({"network_volume": NETWORK}, "network_volume: it has none, but you asked for v1"),
        ({"volume": DISK}, "it has no volume disk"),
    ],
)
def test_what_no_call_can_mend_is_refused(wanted, words):
    with pytest.raises(errors.Conflict) as caught:
        fields(pod(), **wanted)
    assert words in str(caught.value)
    assert "state absent" in str(caught.value)


def test_what_is_not_known_yet_is_not_held_against_the_pod():
    fresh = pod(gpu_id=None, gpu_count=None, cloud=None, region=None, usd_per_hour=None)
    assert fields(fresh, gpus=("A40",), gpu_count=2, clouds=("COMMUNITY",), regions=("US-1",), max_price=0.1) == {}


def test_a_pod_above_the_cap_is_refused_and_left_alone():
    with pytest.raises(errors.TooExpensive, match="left alone") as caught:
        fields(pod(), max_price=0.5)
    assert caught.value.elsewhere == "no"


def test_a_volume_grows_and_never_shrinks():
    made = pod(mounts=(DISK,))
    assert fields(made, volume=DISK) == {}
    (change,) = compare(made, PodSpec(name="x", volume=Mount("disk", "/workspace", 80)))
    assert (change.field, change.before, change.value, change.resets) == ("volume_size_gb", 50, 80, False)
    with pytest.raises(errors.BadRequest, match="cannot shrink"):
        fields(made, volume=Mount("disk", "/workspace", 20))


# -- the diff


def test_a_diff_shows_price_and_fields_but_no_secret():
    made = pod(env={"T": "hf_secret", "A": "1"}, args="run --token hf_secret", mounts=(DISK,))
    changes = compare(
        made,
        PodSpec(
            name="x",
            image="other:1",
            env={"T": "hf_other", "A": "1", "B": "2"},
            args="run --token hf_other",
            ports=("8888/http", "22/tcp"),
            volume=Mount("disk", "/workspace", 80),
        ),
    )
    before, after = diff.managed(made), diff.after(made, changes, "running")
    text = json.dumps([before, after])
    assert "hf_secret" not in text
    assert "hf_other" not in text
    assert before["usd_per_hour"] == after["usd_per_hour"] == 0.69
    assert before["env"] == {"A": "(set)", "T": "(set)"}
    assert after["env"] == {"A": "(set)", "B": "(set)", "T": "(changed)"}
    assert (before["args"], after["args"]) == ("(set)", "(changed)")
    assert after["image"] == "other:1"
    assert after["ports"] == ["22/tcp", "8888/http"]
    assert after["mounts"][0]["size_gb"] == 80
    assert before["mounts"][0]["size_gb"] == 50


def test_no_pod_is_an_empty_side_of_the_diff():
    assert diff.managed(None) == {}


# -- a new pod


def test_defaults_hold_for_a_new_pod():
    wanted = PodSpec(name="x", image=IMAGE, gpus=("4090",))
    query = wanted.query()
    assert (query.gpu_count, query.clouds, query.regions) == (1, (), ())
    request = wanted.request(offer(), "x-1")
    assert (request.disk_gb, request.ports, request.name, request.cloud) == (20, ("22/tcp",), "x-1", "SECURE")


def test_places_are_written_in_capitals():
    assert PodSpec(name="x", regions=("eu-ro-1",)).request(offer(), "x").regions == ("EU-RO-1",)


def test_a_prediction_shows_what_is_known():
    wanted = PodSpec(name="x", image=IMAGE, env={"T": "s"}, public_keys=(KEY,), volume=DISK)
    made = diff.predicted(wanted.request(offer(), "x-1"), "fake", offer())
    assert made.to_result()["id"] is None
    assert (made.name, made.phase, made.usd_per_hour, made.endpoint) == ("x-1", "provisioning", 0.69, None)
    assert diff.managed(made)["env"] == {"PUBLIC_KEY": "(set)", "T": "(set)"}


@pytest.mark.parametrize(
    ("now", "args", "same"),
    [
        ('{"entrypoint": ["a"], "cmd": ["b c"]}', '{"cmd":["b c"],"entrypoint":["a"]}', True),
        ("bash -c 'sleep 1'", 'bash -c "sleep 1"', True),
        ("bash -c 'sleep 1'", "bash -c sleep 1", False),
        ("it's", "it's", True),
        ("it's", "its", False),
        ("", "", True),
        ("", "sleep 1", False),
    ],
)
def test_two_spellings_of_a_start_command_are_the_same(now, args, same):
    assert ("args" not in fields(pod(args=now), args=args)) is same


@pytest.mark.parametrize(
    ("there", "wanted", "words"),
    [
        ({"cpu": Cpu("cpu5c", 4), "gpu": None, "gpu_id": None}, {"gpus": ("A40",)}, "gpus: it is a CPU pod"),
        ({}, {"cpu": Cpu("cpu5c", 4)}, "cpu: it has 1 x RTX 4090, but you asked for 4 vCPUs of cpu5c"),
        (
            {"cpu": Cpu("cpu5c", 4), "gpu": None, "gpu_id": None},
            {"cpu": Cpu("cpu5c", 8)},
            "cpu: it has 4 vCPUs of cpu5c, but you asked for 8 vCPUs of cpu5c",
        ),
    ],
)
def test_a_processor_is_fixed_when_a_pod_is_rented(there, wanted, words):
    with pytest.raises(errors.Conflict) as caught:
        fields(pod(**there), **wanted)
    assert words in str(caught.value)
    same = {"cpu": Cpu("cpu5c", 4, 8.0), "gpu": None, "gpu_id": None, "gpu_count": None}
    assert fields(pod(**same), cpu=Cpu("CPU5C", 4)) == {}


def test_the_mounts_path_shows_in_the_diff_and_in_the_prediction():
    there = pod(mounts=(DISK,))
    changes = compare(there, PodSpec(name="x", volume=Mount("disk", "/data", 80)))
    assert [change.field for change in changes] == ["volume_size_gb", "mount_path"]
    assert diff.after(there, changes)["mounts"] == [Mount("disk", "/data", 80).to_result()]
    assert diff.after(there, changes)["effect"] == "resets the container: everything outside /workspace is lost"
    assert diff.fields(there, changes) == {"mounts": (Mount("disk", "/data", 50),)}
