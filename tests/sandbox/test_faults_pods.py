# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that meet a pod on its way, and at its end, at the wire."""

from __future__ import annotations

import time

import pytest
from stand_in import Api, ServerThread, banner, is_running, until


def log_lines(sandbox: ServerThread, pod_id: str) -> list[str]:
    return [line.text for line in sandbox.pods.log(pod_id, "system").lines()]


@pytest.mark.parametrize("status", ["PROVISIONING", "STARTING"])
def test_never_ready(sandbox: ServerThread, api: Api, status: str) -> None:
    api.fault("never-ready", times=1, status=status)
    stuck = api.made(name="stuck")
    api.running(name="other")  # by then the first one would have run
    pod = api.until(stuck["id"], lambda pod: pod["status"] == status)
    assert pod["cost"] > 0, "it bills"
    assert len(sandbox.pods.specs) == 1


def test_no_direct_ssh(api: Api) -> None:
    api.fault("no-direct-ssh", times=1)
    pod = api.until(api.made()["id"], lambda pod: pod["runtime"] is not None)
    api.running(name="other")
    pod = api.pod(pod["id"])
    assert (pod["status"], pod["ssh"]["direct"]) == ("RUNNING", None)
    assert pod["runtime"]["ports"][0]["public"] is None


def test_sshd_late(api: Api) -> None:
    api.fault("sshd-late", times=1, seconds=0.7)
    port = api.running()["ssh"]["direct"]["port"]
    shown = time.monotonic()
    assert banner(port) is None
    until(lambda: banner(port), bool)
    # The port is shown a stage before sshd would answer anyway; the look that saw it may have been a little late.
    assert time.monotonic() - shown > 0.5


def test_image_that_cannot_be_pulled(sandbox: ServerThread, api: Api) -> None:
    api.fault("image-not-found", image="nosuch/*")
    pod = api.until(api.made(image="nosuch/image:1")["id"], lambda pod: pod["status"] == "ERROR")
    assert pod["actions"] == ["start", "terminate"]
    assert any("failed to pull image nosuch/image:1" in line for line in log_lines(sandbox, pod["id"]))
    api.running(name="good")


def test_driver_too_old_for_the_image(sandbox: ServerThread, api: Api) -> None:
    api.fault("cuda-too-old", times=1)
    pod = api.until(api.made()["id"], lambda pod: pod["status"] == "ERROR")
    assert any("unsatisfied condition: cuda>=12.8" in line for line in log_lines(sandbox, pod["id"]))
    assert api.act(pod["id"], "start").json()["status"] == "STARTING"
    api.until(pod["id"], is_running)


def test_stale_port(api: Api) -> None:
    api.fault("stale-port", reads=4)
    pod = api.running()
    old = pod["ssh"]["direct"]["port"]
    api.act(pod["id"], "restart")
    ports: list[int] = []
    until(
        lambda: api.pod(pod["id"]),
        lambda pod: is_running(pod) and (ports.append(pod["ssh"]["direct"]["port"]) or ports[-1] != old),
    )
    assert len(ports) == 5 and banner(old) is None


@pytest.mark.parametrize("status", [400, 409, 500])
def test_gpu_taken(api: Api, status: int) -> None:
    api.fault("gpu-taken", times=1, status=status)
    pod = api.running()
    api.act(pod["id"], "stop")
    answer = api.act(pod["id"], "start")
    assert answer.status_code == status
    assert "not enough free GPUs on the host machine" in answer.json()["detail"]
    assert api.pod(pod["id"])["status"] == "EXITED"
    assert api.act(pod["id"], "start").status_code == 200


def test_gpu_rented_away_for_real(api: Api) -> None:
    """The one RTX 3090 goes to another renter while the pod is stopped."""
    wish = {"gpu": {"id": "NVIDIA GeForce RTX 3090", "count": 1}}
    pod = api.running(**wish)
    api.act(pod["id"], "stop")
    api.made(name="other", **wish)
    answer = api.act(pod["id"], "start")
    assert (answer.status_code, "not enough free GPUs" in answer.json()["detail"]) == (400, True)


def test_host_lost_now_and_gone(sandbox: ServerThread, api: Api) -> None:
    pod, other = api.answering(name="victim"), api.answering(name="other")
    api.fault("host-lost", times=1, pod="victim")
    until(lambda: api.get(f"/v2/pods/{pod['id']}").status_code, lambda status: status == 404)
    assert api.names() == ["other"]
    assert banner(pod["ssh"]["direct"]["port"]) is None
    assert banner(other["ssh"]["direct"]["port"]) is not None
    shown = next(entry for entry in api.status()["pods"] if entry["id"] == pod["id"])
    assert (shown["state"], shown["gone_at"] is not None) == ("LOST", True)
    assert pod["id"] not in sandbox.pods.mounts


def test_host_lost_and_stuck(api: Api) -> None:
    pod = api.answering()
    api.fault("host-lost", pod=pod["id"], reading="stuck")
    port = pod["ssh"]["direct"]["port"]
    until(lambda: banner(port), lambda said: said is None)
    seen = api.pod(pod["id"])
    assert (seen["status"], seen["ssh"]["direct"]["port"]) == ("RUNNING", port)
    before = api.status()["pods"][0]["billed_seconds"]
    assert before <= 2, "no charge while the host is unavailable"
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.names() == []


def test_host_lost_of_the_next_pod_after_a_while(api: Api) -> None:
    api.running(name="before")
    api.fault("host-lost", times=1, after=0.3)
    pod = api.running(name="next")
    until(lambda: api.get(f"/v2/pods/{pod['id']}").status_code, lambda status: status == 404)
    assert api.names() == ["before"]
    api.running(name="later")
    assert api.names() == ["before", "later"]


@pytest.mark.parametrize("stop", ["stop", "terminate"])
def test_host_lost_spares_a_pod_that_ended_before(api: Api, stop: str) -> None:
    api.fault("host-lost", times=1, after=0.1)
    pod = api.running(name="first")
    api.act(pod["id"], stop)
    api.running(name="second")
    api.running(name="third")
    states = {entry["name"]: entry["state"] for entry in api.status()["pods"]}
    assert states["first"] == ("EXITED" if stop == "stop" else "TERMINATED")


def test_terminate_late(sandbox: ServerThread, api: Api) -> None:
    api.fault("terminate-late", times=1, reads=3)
    pod = api.answering()
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert banner(pod["ssh"]["direct"]["port"]) is None, "its processes are gone all the same"
    assert [api.pod(pod["id"])["status"] for _read in range(2)] == ["RUNNING", "RUNNING"]
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.status()["pods"][0]["gone_at"] is None
    assert len(api.names()) == 1
    assert api.get(f"/v2/pods/{pod['id']}").status_code == 404
    assert api.names() == []
    assert api.status()["pods"][0]["gone_at"] is not None


def test_terminate_late_shown_as_terminated(api: Api) -> None:
    api.fault("terminate-late", times=1, reads=1, shown="TERMINATED")
    pod = api.running()
    api.delete(f"/v2/pods/{pod['id']}")
    seen = api.pod(pod["id"])
    assert (seen["status"], seen["actions"], seen["cost"], seen["ssh"]["direct"]) == ("TERMINATED", [], 0.0, None)
    assert api.get(f"/v2/pods/{pod['id']}").status_code == 404


def test_terminate_ignored(api: Api) -> None:
    api.fault("terminate-ignored", times=1)
    pod = api.answering()
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.pod(pod["id"])["status"] == "RUNNING"
    assert banner(pod["ssh"]["direct"]["port"]) is not None
    assert api.status()["requests"][-1]["fault"] == "terminate-ignored"
    assert api.act(pod["id"], "terminate").status_code == 204
    assert api.names() == []


def test_stop_late(api: Api) -> None:
    api.fault("stop-late", times=1, reads=2)
    pod = api.running()
    assert api.act(pod["id"], "stop").json()["status"] == "RUNNING"
    assert [api.pod(pod["id"])["status"] for _read in range(3)] == ["RUNNING", "RUNNING", "EXITED"]


def test_small_pages(api: Api) -> None:
    for name in "abc":
        api.made(name=name)
    api.fault("small-pages", size=2)
    first = api.get("/v2/pods").json()
    assert [pod["name"] for pod in first["pods"]] == ["a", "b"]
    second = api.get(f"/v2/pods?cursor={first['pagination']['nextCursor']}").json()
    assert [pod["name"] for pod in second["pods"]] == ["c"]


def test_provisioning_as_in_the_example(api: Api) -> None:
    api.fault("never-ready", status="PROVISIONING")
    api.fault("as-in-example")
    pod = api.made()
    assert (pod["actions"], pod["runtime"]) == (["start", "terminate"], {})
    assert pod["dataCenterId"] and pod["ssh"]["proxy"]["username"].startswith(pod["id"])
    assert api.pod(pod["id"])["runtime"] == {}


def test_host_that_was_lost_comes_back_by_a_restart(api: Api) -> None:
    pod = api.answering()
    api.fault("host-lost", times=1, pod=pod["id"], reading="stuck")
    until(lambda: api.status()["pods"][0]["ssh"] and banner(pod["ssh"]["direct"]["port"]), lambda said: said is None)
    api.act(pod["id"], "restart")
    api.until(pod["id"], is_running)
    before = api.status()["pods"][0]["billed_seconds"]
    until(lambda: api.status()["pods"][0]["billed_seconds"], lambda seconds: seconds > before)


def test_package_mirror_down(sandbox: ServerThread, api: Api) -> None:
    api.fault("package-mirror-down", times=1)
    api.running()
    api.running()
    assert [spec.packages for spec in sandbox.pods.specs] == [False, True]


@pytest.mark.parametrize(("told", "shown"), [("null", None), ("user", "user")])
def test_ssh_user_told(api: Api, told: str, shown: str | None) -> None:
    assert api.running()["ssh"]["direct"]["username"] == "root"
    api.fault("ssh-user-told", user=told)
    direct = api.running()["ssh"]["direct"]
    assert direct["username"] == shown
    assert direct["command"] == f"ssh {'user@' if shown else ''}127.0.0.1 -p {direct['port']}"
