# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of which some are bad, and what the sandbox tells of its own part of a wait."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from stand_in import IMAGE, Api, ServerThread, banner, until
from vast_stand_in import KEY, Vast

from podyard_sandbox.faults import FaultError, Faults
from podyard_sandbox.faults.bad_hosts import host_problem, set_bad_hosts

HOSTS = 2_000


def bad(faults: Faults, provider: str = "vastai", hosts: int = HOSTS) -> dict[int, str]:
    """The bad ones of so many hosts."""
    found = {host: host_problem(faults, provider, host, "a name") for host in range(hosts)}
    return {host: trouble for host, trouble in found.items() if trouble is not None}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_share_of_the_hosts_is_bad_and_it_is_the_same_ones_for_a_seed(share: float) -> None:
    faults, again, other = Faults(), Faults(), Faults()
    set_bad_hosts(faults, share, 7)
    set_bad_hosts(again, share, 7)
    set_bad_hosts(other, share, 8)
    found = bad(faults)
    assert abs(len(found) / HOSTS - share) < 0.04
    assert found == bad(again) == bad(faults), "whoever asks, and how often"
    assert found != bad(other) and found != bad(faults, "runpod")
    kinds = Counter(found.values())
    assert set(kinds) == {"loading", "no-ssh", "oci", "no-gpu"} and min(kinds.values()) > 0.15 * len(found)


def test_which_troubles_and_whose_hosts() -> None:
    faults = Faults()
    faults.add("bad-hosts", {"trouble": "oci, no-ssh", "provider": "runpod"}, share=0.5)
    assert bad(faults) == {} and set(bad(faults, "runpod").values()) == {"oci", "no-ssh"}
    set_bad_hosts(faults, 0, 1)
    assert faults.to_json() == []
    faults.add("bad-hosts", {})
    assert len(bad(faults, hosts=20)) == 20, "without a share all are"
    with pytest.raises(
        FaultError, match=r"must be a comma-separated list of loading, no-ssh, oci, no-gpu, not 'no-shh'.*'no-ssh'"
    ):
        faults.add("bad-hosts", {"trouble": "oci,no-shh"})


@pytest.mark.parametrize(
    ("trouble", "seen"),
    [
        ("loading", ("loading", None)),
        ("oci", ("created", "OCI runtime create failed")),
        ("no-ssh", ("running", "success")),
        ("no-gpu", ("running", "success")),
    ],
)
def test_what_is_rented_on_a_bad_host_of_vast(sandbox: ServerThread, trouble: str, seen: Any) -> None:
    vast = Vast(sandbox)
    vast.fault("bad-hosts", trouble=trouble)
    row = vast.until(vast.made(), lambda row: row["actual_status"] == seen[0])
    assert seen[1] is None or seen[1] in row["status_msg"]
    [pod] = vast.pods()
    assert pod["host"] == f"vastai {row['machine_id']}"
    if seen[0] == "running":
        [spec] = sandbox.pods.specs
        assert spec.gpu_lost == (trouble == "no-gpu") and (spec.sshd_delay > 3600) == (trouble == "no-ssh")
    else:
        assert sandbox.pods.specs == [] and pod["stages"] == {}


@pytest.mark.parametrize(
    ("trouble", "status"), [("loading", "STARTING"), ("oci", "ERROR"), ("no-ssh", "RUNNING"), ("no-gpu", "RUNNING")]
)
def test_what_is_rented_on_a_bad_host_of_runpod(sandbox: ServerThread, trouble: str, status: str) -> None:
    api = Api(sandbox.url, sandbox.home.api_key())
    api.fault("bad-hosts", trouble=trouble)
    pod = api.until(api.made(image=IMAGE)["id"], lambda pod: pod["status"] == status)
    if trouble == "oci":
        assert "OCI runtime create failed" in str(sandbox.pods.log(pod["id"], "system").lines())
    if status == "RUNNING":
        [spec] = sandbox.pods.specs
        assert spec.gpu_lost == (trouble == "no-gpu") and (spec.sshd_delay > 3600) == (trouble == "no-ssh")


def test_runpod_places_pods_on_any_machine_while_hosts_are_bad(sandbox: ServerThread) -> None:
    """It does not let anybody choose, and who is given the same machine each time would never get a good one."""
    api = Api(sandbox.url, sandbox.home.api_key())

    def hosts() -> list[str]:
        for _pod in range(6):
            api.delete(f"/v2/pods/{api.made()['id']}")
        return [pod["host"] for pod in api.status()["pods"][-6:]]

    assert len(set(hosts())) == 1
    api.fault("bad-hosts", share=0.01, seed=5)
    first = hosts()
    assert len(set(first)) > 1
    api.delete("/_sandbox/faults")
    api.fault("bad-hosts", share=0.01, seed=5)
    assert hosts() == first, "and the same ones for a seed"


def test_the_setting_reaches_a_sandbox_that_is_up(sandbox: ServerThread) -> None:
    api = Api(sandbox.url, sandbox.home.api_key())
    for share, on in ((0.3, [0.3]), (0.6, [0.6]), (0, [])):
        answer = api.call("PATCH", "/_sandbox/settings", json={"bad_hosts": share, "seed": 9})
        assert answer.status_code == 200
        assert [(each["share"], each["params"]["seed"]) for each in api.status()["faults"]] == [(s, 9) for s in on]


def test_the_sandbox_tells_when_a_pod_reached_its_stages(sandbox: ServerThread) -> None:
    """Each no earlier than the one before, none for a stage that was not reached, and anew at each start."""
    api, vast = Api(sandbox.url, sandbox.home.api_key()), Vast(sandbox)
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    made = [api.running()["id"], str(vast.running()["id"])]

    def stages() -> list[dict[str, float]]:
        told = {pod["id"]: pod["stages"] for pod in api.status()["pods"]}
        return [told[number] for number in made]

    for found in until(stages, lambda each: all("authenticated" in one for one in each)):
        assert list(found) == ["running", "addressed", "port_open", "authenticated"]
        assert 0.1 <= found["running"] <= found["addressed"] <= found["port_open"] <= found["authenticated"] < 30
    before = stages()[0]
    api.act(made[0], "restart")
    again = until(lambda: stages()[0], lambda found: "port_open" in found)
    assert again != before and again["running"] < before["running"] + 30


def test_a_server_that_never_comes_opens_no_port(sandbox: ServerThread) -> None:
    api = Api(sandbox.url, sandbox.home.api_key())
    api.fault("bad-hosts", trouble="no-ssh")
    pod = api.running()
    assert banner(pod["ssh"]["direct"]["port"]) is None
    [told] = api.status()["pods"]
    assert "addressed" in told["stages"] and "port_open" not in told["stages"]
