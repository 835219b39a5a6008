# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of Vast.ai as pods."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadAnswer
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import wire
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows

DIRECT = Endpoint("203.0.113.42", 40022, "root", "direct")
PROXY = Endpoint("ssh5.example.com", 15678, "root", "proxy")


def test_a_row_is_a_pod():
    pod = wire.pod(rows.instance())
    assert (pod.id, pod.name, pod.phase, pod.raw_status) == ("12345678", "podyard-digits-r1-0-1", "running", "running")
    assert (pod.gpu, pod.gpu_count, pod.usd_per_hour, pod.region) == ("RTX 4090", 1, 0.3725, "US")
    assert (pod.disk_gb, pod.cuda_version, pod.uptime, pod.host) == (60, "12.8", 120.0, "18422")
    assert (pod.interruptible, pod.bid, pod.billing, pod.stopped_usd_per_hour) == (False, None, "gpu", 0.0125)
    assert pod.env == {"RUN_ID": "7f3a"}
    assert pod.ports == ("22/tcp", "8080/tcp")
    assert pod.created_at == "2026-09-21T14:13:20Z"
    assert pod.utilisation == {"gpus": [{"gpu": 12.0, "memory": None}], "cpu": 3.0, "memory": 10.0}
    assert (pod.endpoint, pod.alternates, pod.interruption) == (DIRECT, (PROXY,), None)


STATES = [
    ({"actual_status": None}, "provisioning", "disk"),
    ({"actual_status": "loading"}, "starting", "disk"),
    ({"actual_status": "created", "status_msg": None}, "starting", "disk"),
    ({"actual_status": "rebooting"}, "starting", "disk"),
    ({"actual_status": "recycling"}, "starting", "disk"),
    ({"actual_status": "running"}, "running", "gpu"),
    # A frozen instance keeps its GPU, and pays for it.
    ({"actual_status": "frozen"}, "stopped", "gpu"),
    ({"actual_status": "exited"}, "stopped", "disk"),
    ({"actual_status": "offline"}, "unknown", "none"),
    # Nobody says that these bill nothing, or the disk alone.
    ({"actual_status": "unknown"}, "unknown", "gpu"),
    ({"actual_status": "something new"}, "unknown", "gpu"),
    ({"actual_status": "unknown", "cur_state": "stopped"}, "unknown", "disk"),
    ({"cur_state": "unloaded"}, "gone", "none"),
]


@pytest.mark.parametrize(("changes", "phase", "billing"), STATES)
def test_the_phase_and_what_it_is_billed_for(changes, phase, billing):
    pod = wire.pod(rows.instance(**changes))
    assert (pod.phase, pod.billing) == (phase, billing)


@pytest.mark.parametrize(
    "words",
    [
        "Error response from daemon: manifest for x/y:z not found: manifest unknown",
        "Error response from daemon: pull access denied for x/y",
        "Error: OCI runtime create failed: nvidia-container-cli",
        "driver failed programming external connectivity: port is already allocated",
    ],
)
@pytest.mark.parametrize("actual", [None, "loading", "created"])
def test_words_of_the_host_end_a_start_although_the_status_goes_on_loading(words, actual):
    assert wire.pod(rows.instance(actual_status=actual, status_msg=words)).phase == "failed"
    assert words[:30] in wire.pod(rows.instance(actual_status=actual, status_msg=words)).raw_status
    # Of one that runs the same words are history.
    assert wire.pod(rows.instance(status_msg=words)).phase == "running"


def test_a_running_allocation_is_no_running_container():
    assert wire.pod(rows.provisioning(cur_state="running")).phase == "provisioning"
    assert wire.pod(rows.instance(actual_status="loading", cur_state="running")).endpoint is None


def test_a_contract_that_sits_stopped_is_stopped_whatever_the_host_last_said():
    row = rows.stopped(actual_status="loading")
    assert wire.pod(row).phase == "stopped"
    assert wire.never_ran(row)
    assert wire.never_ran(rows.stopped(actual_status=None))
    assert not wire.never_ran(rows.stopped())
    assert not wire.never_ran(rows.provisioning())


def test_a_contract_that_was_stopped_is_stopped_before_its_host_says_so():
    """The host's report comes late, and until then an outbid pod would pass for one that trains."""
    pod = wire.pod(rows.stopped(actual_status="running", is_bid=True))
    assert (pod.phase, pod.interruption, pod.billing, pod.endpoint) == ("stopped", "outbid", "disk", None)
    # A host that does not answer says nothing of the container, and may come back.
    assert wire.pod(rows.stopped(actual_status="offline")).phase == "unknown"


def test_the_providers_words_of_a_stopped_pod_do_not_say_that_it_runs():
    assert wire.pod(rows.stopped(status_msg="success, running x/y/ssh")).raw_status == "exited, intended stopped"
    assert wire.pod(rows.stopped(status_msg="Killed by OOM")).raw_status == "exited, intended stopped, Killed by OOM"


@pytest.mark.parametrize("actual", [None, "loading", "created"])
def test_a_start_on_which_the_platform_gave_up_is_over_whatever_the_host_says(actual):
    row = rows.instance(actual_status=actual, intended_status="stopped", status_msg="something new", ports=None)
    assert wire.pod(row).phase == "stopped"
    assert not wire.never_ran(row), "it is not started once more: the platform has tried"


def test_the_addresses_are_never_mixed():
    assert wire.endpoints(rows.instance()) == (DIRECT, PROXY)
    assert wire.endpoints(rows.instance(ports=None)) == (PROXY,)
    assert wire.endpoints(rows.instance(ports={})) == (PROXY,)
    assert wire.endpoints(rows.instance(ports=[22])) == (PROXY,)
    assert wire.endpoints(rows.instance(public_ipaddr=None)) == (PROXY,)
    assert wire.endpoints(rows.instance(ssh_host=None)) == (DIRECT,)
    assert wire.endpoints(rows.instance(image_runtype="args")) == (DIRECT,)
    assert wire.endpoints(rows.provisioning()) == ()


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "x@y"])
def test_what_is_no_host_is_no_address(host):
    """It would be an argument of ssh. Blanks around an address are Vast.ai's own."""
    assert wire.endpoints(rows.instance(public_ipaddr=host)) == (PROXY,)
    assert wire.endpoints(rows.instance(ssh_host=host)) == (DIRECT,)
    assert wire.endpoints(rows.instance(public_ipaddr="203.0.113.42\n")) == (DIRECT, PROXY)


def test_the_gateways_port_is_one_higher_in_the_jupyter_modes_only():
    for runtype in ("jupyter_proxy ssh_proxy", "jupyter_direc ssh_direc ssh_proxy", "jupyter"):
        assert wire.endpoints(rows.instance(image_runtype=runtype, ports=None))[0].port == 15679
    for runtype in ("ssh", "ssh_proxy", "ssh_direc ssh_proxy", "ssh_direct", None):
        assert wire.endpoints(rows.instance(image_runtype=runtype, ports=None))[0].port == 15678
    assert wire.endpoints(rows.instance(image_runtype="jupyter_direct"))[0] == DIRECT


def test_who_took_it_away():
    assert wire.pod(rows.stopped(is_bid=True)).interruption == "outbid"
    assert wire.pod(rows.stopped(is_bid=True, actual_status="loading")).interruption == "outbid"
    assert wire.pod(rows.stopped(end_date=1790000000)).interruption == "expired"
    assert wire.pod(rows.instance(actual_status="offline")).interruption == "host lost"
    assert wire.pod(rows.instance(actual_status="unknown")).interruption == "host lost"
    assert wire.pod(rows.stopped()).interruption is None
    assert wire.pod(rows.instance(is_bid=True)).interruption is None


def test_a_bid_is_told():
    pod = wire.pod(rows.instance(is_bid=True, dph_base=0.25))
    assert (pod.interruptible, pod.bid) == (True, 0.25)


def test_values_of_other_types_are_read():
    row = rows.instance(
        id="12345678",
        num_gpus="1",
        dph_total="0.37",
        extra_env={"A": "b"},
        label=None,
        gpu_util=None,
        cpu_util=None,
        start_date=None,
        uptime_mins=None,
        gpu_name="RTX_4090",
        geolocation=None,
        storage_total_cost=None,
    )
    pod = wire.pod(row)
    assert (pod.id, pod.gpu_count, pod.usd_per_hour, pod.env, pod.name) == ("12345678", 1, 0.37, {"A": "b"}, "")
    assert (pod.utilisation, pod.created_at, pod.uptime, pod.gpu, pod.region) == (None, None, None, "RTX 4090", None)
    assert pod.stopped_usd_per_hour == pytest.approx(0.15 * 60 / 720)


def test_one_instance_is_told_from_none_and_from_what_cannot_be_read():
    assert wire.unwrapped({"instances": {"id": 1}}) == {"id": 1}
    assert wire.unwrapped({"instances": [{"id": 1}]}) == {"id": 1}
    assert wire.unwrapped({"id": 1}) == {"id": 1}
    assert wire.unwrapped({"instances": None}) is None
    assert wire.unwrapped({"instances": []}) is None
    for unreadable in ("", None, {}, [], {"instances": "x"}, {"instances": [{"id": 1}, {"id": 2}]}):
        with pytest.raises(BadAnswer):
            wire.unwrapped(unreadable)
    for row in ({}, {"id": None}, {"id": 0}):
        with pytest.raises(BadAnswer, match="without an id"):
            wire.pod(row)
