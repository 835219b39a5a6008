# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod as a user wants it: names become ids, a volume decides the place, and what cannot be is refused."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount, Reference
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import (
    PodSpec,
    refuse_impossible,
    refuse_unreachable,
    resolve,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import KEY, FakeCloud, offer, pod

VOLUME = Mount("network", None, volume_id="data")


class Library(FakeCloud):
    """A cloud that knows one thing of each kind."""

    def find(self, kind, reference):
        self.calls.append(("find", (kind, reference)))
        return {
            "network_volume": Reference(kind, "v1", "data", region="EU-1"),
            "template": Reference(kind, "t1", "torch", image="i:1", ports=("22/tcp", "8888/http")),
            "registry": Reference(kind, "r1", "hub"),
        }[kind]


def test_names_become_ids_and_the_volume_decides_the_place():
    wanted = PodSpec(name="x", template_id="torch", registry="hub", network_volume=VOLUME)
    found = resolve(wanted, Library())
    assert (found.template_id, found.registry, found.network_volume.volume_id) == ("t1", "r1", "v1")
    assert found.regions == ("EU-1",)
    assert found.opened() == ("22/tcp", "8888/http")


def test_a_volume_keeps_one_of_the_listed_places_and_refuses_others():
    assert resolve(PodSpec(network_volume=VOLUME, regions=("US-1", "eu-1")), Library()).regions == ("EU-1",)
    with pytest.raises(errors.BadRequest, match=r"data \(v1\).*is in EU-1.*allows US-1, AP-1 only"):
        resolve(PodSpec(network_volume=VOLUME, regions=("us-1", "AP-1")), Library())


def test_nothing_is_looked_up_that_need_not_be():
    cloud = Library()
    resolve(PodSpec(name="x", registry=""), cloud)
    there = pod(registry="r1", mounts=(Mount("network", "/w", volume_id="v1"),))
    known = PodSpec(registry="r1", network_volume=Mount("network", None, volume_id="v1"), template_id="torch")
    assert resolve(known, cloud, there) == known
    assert cloud.count("find") == 0


def test_of_a_pod_that_is_there_a_name_becomes_an_id_and_no_place_is_wanted():
    found = resolve(PodSpec(registry="hub", network_volume=VOLUME, template_id="torch"), Library(), pod())
    assert (found.registry, found.network_volume.volume_id, found.regions) == ("r1", "v1", None)
    assert found.template_id == "torch"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"gpus": ("4090",), "cpu": Cpu("cpu5c", 4)}, "gpus and cpu"),
        ({"gpu_count": 1, "cpu": Cpu("cpu5c", 4)}, "gpu_count and cpu"),
        ({"volume": Mount("disk", None, 50), "network_volume": VOLUME}, "volume and network_volume"),
        ({"min_cuda_version": "12.4", "cuda_versions": ("12.8",)}, "min_cuda_version and cuda_versions"),
    ],
)
def test_what_excludes_each_other_is_refused(wanted, words):
    with pytest.raises(errors.BadRequest, match=words):
        refuse_impossible(PodSpec(name="x", **wanted))


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"gpus": ("4090",), "gpu_count": 2},
        {"cpu": Cpu("cpu5c", 4), "network_volume": VOLUME},
        {"cuda_versions": ("1.2",)},
    ],
)
def test_what_goes_together_passes(wanted):
    refuse_impossible(PodSpec(name="x", **wanted))


def test_the_ports_of_a_template_count_as_soon_as_they_are_known():
    wanted = PodSpec(name="x", template_id="t1", public_keys=(KEY,))
    refuse_unreachable(wanted, "ready")
    known = resolve(wanted, Library())
    refuse_unreachable(known, "ready")
    with pytest.raises(errors.BadRequest, match="template t1 opens 8888/http"):
        refuse_unreachable(PodSpec(name="x", template_id="t1", template_ports=("8888/http",)), "addressed")
    with pytest.raises(errors.BadRequest, match="without 22/tcp in ports it never"):
        refuse_unreachable(PodSpec(name="x", template_id="t1", template_ports=("22/tcp",), ports=()), "addressed")


def test_the_place_of_the_offer_counts_where_it_has_one():
    wanted = PodSpec(name="x", regions=("eu-1", "us-1"))
    assert wanted.request(offer(region="US-1"), "x").regions == ("US-1",)
    assert wanted.request(offer(), "x").regions == ("EU-1", "US-1")


def test_a_new_pod_gets_defaults_only_where_no_template_decides():
    plain = PodSpec(name="x", volume=Mount("disk", None, 50)).request(offer(), "x")
    assert (plain.disk_gb, plain.ports, plain.volume.path) == (20, ("22/tcp",), "/workspace")
    assert (plain.start_ssh, plain.start_jupyter, plain.global_networking, plain.gpu_count) == (True, False, False, 1)
    from_template = PodSpec(name="x", template_id="t1").request(offer(), "x")
    assert (from_template.disk_gb, from_template.ports, from_template.image) == (None, None, None)
    said = PodSpec(name="x", template_id="t1", disk_gb=5, ports=(), start_ssh=False).request(offer(), "x")
    assert (said.disk_gb, said.ports, said.start_ssh) == (5, (), False)


def test_a_processor_has_no_gpu_and_empty_credentials_are_none():
    request = PodSpec(name="x", cpu=Cpu("cpu5c", 4), registry="", args="").request(None, "x")
    assert (request.gpu_count, request.compute(), request.registry, request.args) == (0, "4 vCPUs of cpu5c", None, None)


@pytest.mark.parametrize(("own", "sent"), [(None, "of-the-template"), ("mine", "mine")])
def test_the_start_script_of_a_template_is_sent_where_none_is_given(own, sent):
    template = Reference("template", "t1", onstart="of-the-template")
    assert PodSpec(name="x", template_id="t1", template=template, onstart=own).request(None, "x").onstart == sent
