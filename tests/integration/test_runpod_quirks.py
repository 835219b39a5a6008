# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong for others on RunPod, one test for each, named by its number: the sandbox is made to do it, and our
modules survive it. Nothing may be left that bills.

The modules run in this process against the sandbox's server, whose pods here are only as real as the port that SSH
would answer on: a quirk of the API is over before anybody logs in.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stand_in import CAPACITY, IMAGE, Api, ServerThread, until

from ansible_collections.podyard.gpu.plugins.modules import (
    account_info,
    offer_info,
    pod_info,
    pod_termination,
    runpod_network_volume,
    runpod_pod,
    runpod_template,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from podyard_sandbox.settings import Settings

RUN = "20260715_140000_1f2e"
NAME = f"podyard-quirk-{RUN}-0"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj quirk"
# Long enough for what should come on a loaded machine, short enough to wait for what never does.
SOON, NEVER = 20, 0.5


class Shop:
    """Our modules, and the sandbox from behind."""

    def __init__(self, runner: Runner, sandbox: ServerThread, work: Path, traffic: Path) -> None:
        self.runner = runner
        self.sandbox = sandbox
        self.api = Api(sandbox.url, sandbox.home.api_key())
        self.traffic = traffic
        self.run_dir = work / "run"
        self.run_dir.mkdir()

    def options(self, **changes: Any) -> dict[str, Any]:
        """Those of a module, with the account."""
        return {"api_key": self.sandbox.home.api_key(), "api_url": self.sandbox.url, **changes}

    def wish(self, **changes: Any) -> dict[str, Any]:
        """A pod that is quickly there, or quickly not."""
        return self.options(**{
            "name": NAME, "image": IMAGE, "gpus": ["RTX 4090"], "public_keys": [KEY], "wait_for": "port_open",
            "poll_interval": 0.05, "consistency_grace": 0.5, "run_dir": str(self.run_dir),
            "timeouts": {"running": SOON, "addressed": SOON, "port_open": SOON}, **changes,
        })  # fmt: skip

    def pod(self, **changes: Any) -> dict[str, Any]:
        """What runpod_pod returns when all went well."""
        return self.runner.run(runpod_pod.main, **self.wish(**changes))

    def refused(self, **changes: Any) -> dict[str, Any]:
        """What runpod_pod returns when it fails."""
        return self.runner.fail(runpod_pod.main, **self.wish(**changes))

    def fault(self, kind: str, times: int | None = None, **params: Any) -> None:
        """Switch one on."""
        body = {"name": kind, "times": times, "params": {name: str(value) for name, value in params.items()}}
        answer = self.api.post("/_sandbox/faults", json=body)
        assert answer.status_code == 201, answer.text

    def all_well(self) -> None:
        """Switch all off."""
        self.api.delete("/_sandbox/faults")

    def pods(self) -> list[dict[str, Any]]:
        """Those of the account as pod_info shows them."""
        return self.runner.run(pod_info.main, **self.options())["pods"]

    def made(self) -> list[dict[str, Any]]:
        """Every pod that was ever made."""
        return self.api.status()["pods"]

    def living(self) -> list[dict[str, Any]]:
        """Those that still bill."""
        return [pod for pod in self.made() if pod["gone_at"] is None]

    def creates(self) -> int:
        """How often a create was sent."""
        asked = [(each["method"], each["path"]) for each in self.api.status()["requests"]]
        return asked.count(("POST", "/v2/pods"))

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """What our own requests of an operation looked like on the wire."""
        lines = [json.loads(line) for file in self.traffic.iterdir() for line in file.read_text().splitlines()]
        return [line for line in lines if line["operation"] == operation and line["agent"].startswith("podyard.gpu/")]


@pytest.fixture
def shop(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    # `make test` looks through what was said here, too.
    traffic = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", tmp_path)) / f"{os.getpid()}-{tmp_path.name}"
    sandbox = ServerThread(tmp_path / "sandbox", Settings(traffic=traffic, balance=1000))
    try:
        yield Shop(Runner(capsys, tmp_path), sandbox, tmp_path, traffic)
    finally:
        sandbox.close()


def test_q1_every_nested_field_may_be_missing(shop):
    """Addresses and telemetry come only after the image was pulled; until then their places are null, or empty."""
    shop.fault("as-in-example", name="example")
    shop.fault("never-ready", name="hangs*", status="PROVISIONING")
    shop.fault("never-ready", name="example", status="PROVISIONING")
    shop.fault("no-direct-ssh", name="mute")
    for name in ("example", "hangs", "mute"):
        shop.api.made(name=name)
    until(lambda: shop.api.get("/v2/pods").json()["pods"], lambda pods: pods[-1]["status"] == "RUNNING")
    shown = {pod["name"]: pod for pod in shop.pods()}
    assert {pod["phase"] for pod in shown.values()} == {"provisioning", "running"}
    assert [pod["endpoint"] for pod in shown.values()] == [None] * 3
    assert [pod["utilisation"] for name, pod in shown.items() if name != "mute"] == [None] * 2


def test_q2_a_create_that_the_service_itself_breaks_is_told_in_its_own_words(shop):
    words = 'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".'
    shop.fault("create-refused", detail=words)
    result = shop.refused(gpus=["RTX 4090", "L40S"])
    assert words.rstrip(".") in result["msg"]
    assert result["failure"]["kind"] != "NoCapacity", "it is not taken for an empty account_api"
    assert [words.rstrip(".") in each["reason"] for each in result["attempts"]] == [True, True], (
        "each offer was asked for once"
    )
    assert shop.made() == []


@pytest.mark.parametrize(
    ("fault", "creates"), [("create-500-but-made", 1), ("create-drops-line", 1), ("create-drops-line-unmade", 2)]
)
def test_q3_an_ambiguous_create_ends_with_exactly_one_pod(shop, fault, creates):
    shop.fault(fault, times=1)
    pod = shop.pod()["pod"]
    [made] = shop.made()
    assert made["id"] == pod["id"] and made["gone_at"] is None
    assert shop.creates() == creates, "what was proved absent, and only that, is asked for again"
    assert not shop.pod()["changed"], "the next call finds it"


def test_q3_also_when_the_pod_is_seen_late(shop):
    """The worst of both: no answer, and the list does not show the pod yet."""
    shop.fault("create-drops-line", times=1)
    shop.fault("invisible-after-create", times=1, seconds=0.4, reads=1)
    pod = shop.pod(consistency_grace=5)["pod"]
    assert [made["id"] for made in shop.made()] == [pod["id"]]
    assert shop.creates() == 1


def test_q3b_a_fresh_pod_that_is_not_shown_is_not_taken_for_ended(shop):
    shop.fault("invisible-after-create", times=1, reads=4)
    result = shop.pod(consistency_grace=SOON)
    [made] = shop.made()
    assert made["id"] == result["pod"]["id"] and made["gone_at"] is None
    assert result["pod"]["stage"] == "port_open" and shop.creates() == 1


def test_q4_a_pod_that_never_existed_is_not_waited_for_without_end(shop):
    shop.fault("phantom", times=1)
    result = shop.refused()
    assert "was never shown by the provider" in result["msg"]
    assert [gone["gone_proved"] for gone in result["pods_gone"]] == [True]
    assert shop.living() == []
    result = shop.pod(attempts=2)
    assert [pod["id"] for pod in shop.living()] == [result["pod"]["id"]]


def test_q5_a_pod_that_is_stuck_is_ended_and_another_one_drawn(shop):
    shop.fault("never-ready", times=2)
    result = shop.pod(attempts=3, timeouts={"running": NEVER})
    made = shop.made()
    assert len(made) == 3 and [pod["id"] for pod in shop.living()] == [result["pod"]["id"]]
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "given back", "rented"]


def test_q5_not_for_ever(shop):
    shop.fault("never-ready")
    result = shop.refused(attempts=3, timeouts={"running": NEVER})
    assert len(shop.made()) == 3 and shop.living() == []
    assert "timeouts.running" in result["msg"]


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("never-ready", {"status": "PROVISIONING"}),
        ("never-ready", {"status": "STARTING"}),
        ("no-direct-ssh", {}),
        ("sshd-late", {"seconds": 600}),
        ("image-not-found", {}),
        ("cuda-too-old", {}),
        ("host-lost", {"reading": "gone"}),
        ("terminate-late", {}),
    ],
)
def test_q6_no_failure_leaves_a_pod_behind(shop, fault, params):
    if fault == "terminate-late":
        shop.fault("never-ready")
    shop.fault(fault, **params)
    result = shop.refused(timeouts={"running": NEVER, "addressed": NEVER, "port_open": NEVER})
    [made] = shop.made()
    assert made["gone_at"] is not None
    [gone] = result["pods_gone"]
    assert gone["id"] == made["id"] and gone["gone_proved"]


def test_q6_what_a_broken_controller_left_is_ended_by_name(shop):
    """All of the run, whoever made it; nothing of others."""
    ours = [shop.api.made(name=f"{NAME}-{number}")["id"] for number in (1, 2)]
    other = shop.api.made(name=NAME.replace("1f2e", "ffff") + "-1")["id"]
    done = shop.runner.run(
        pod_termination.main, **shop.options(project="quirk", run_id=RUN, poll_interval=0.05, consistency_grace=0.5)
    )
    assert sorted(pod["id"] for pod in done["pods"]) == sorted(ours)
    assert all(pod["gone_proved"] for pod in done["pods"])
    assert [pod["id"] for pod in shop.living()] == [other]


def test_q7_a_container_that_ends_at_once_is_shown_for_what_it_is(shop, cloud):
    """The service starts it again and again and calls the pod running all the while. These pods are real: what their
    command printed, and that it ended, must be in the message, and the pod must not be left to it.
    """
    cloud.fault("restart-loop")
    account = {"api_key": cloud.settings["RUNPOD_API_KEY"], "api_url": cloud.settings["RUNPOD_API_BASE_URL"]}
    result = shop.refused(**account, args="sh -c 'echo one line; exit 1'", timeouts={"running": SOON, "port_open": 2})
    assert "not port_open" in result["msg"] and "SSH server" in result["msg"]
    assert result["msg"].count("starting") > 1, "the log of its starts"
    assert cloud.living("quirk") == [] and len(cloud.pods("quirk")) == 1


def test_q8_no_capacity_falls_back_and_says_what_was_asked_for(shop):
    """On the GPU, the data centre, the cloud; and when nothing is left, with all the filters that took part."""
    shop.fault("no-capacity", gpu="*4090*")
    result = shop.pod(gpus=["RTX 4090", "L40S"])
    assert result["pod"]["gpu"] == "L40S"
    assert [each["outcome"] for each in result["attempts"]] == ["refused", "rented"]
    shop.pod(state="absent")
    shop.all_well()
    shop.fault("no-capacity", data_center="EU-RO-1")
    assert shop.pod(data_centers=["EU-RO-1", "US-IL-1"])["pod"]["region"] == "US-IL-1"
    shop.pod(state="absent")
    shop.all_well()
    shop.fault("no-capacity", cloud="SECURE")
    result = shop.pod(name=NAME.replace("-0", "-1"), clouds=["SECURE", "COMMUNITY"])
    assert result["pod"]["cloud"] == "COMMUNITY"
    shop.fault("no-capacity")
    result = shop.refused(
        name=NAME.replace("-0", "-2"), gpu_count=2, clouds=["SECURE"], data_centers=["EU-RO-1"], min_cuda_version="12.4"
    )
    for filter_of_ours in ("RTX 4090", "SECURE", "EU-RO-1", "12.4", "2 x"):
        assert filter_of_ours in result["msg"], result["msg"]
    assert CAPACITY.rstrip(".") in result["msg"]


def test_q9_the_number_of_gpus_is_always_sent(shop):
    """Without it the service says, wrongly, that there is no capacity; so does the sandbox."""
    assert shop.api.create(gpu={"id": "NVIDIA GeForce RTX 4090"}).json()["detail"] == CAPACITY
    shop.pod()
    [create] = shop.sent("createPod")
    assert create["request"]["json"]["gpu"] == {"id": "NVIDIA GeForce RTX 4090", "count": 1}


def test_q9_a_narrow_wish_is_told_as_such(shop):
    result = shop.refused(data_centers=["EU-RO-1"], cuda_versions=["11.8"])
    assert "EU-RO-1" in result["msg"] and "11.8" in result["msg"]
    assert shop.made() == []


def test_q10_a_broken_image_store_is_left_for_another_host(shop):
    shop.fault("image-store-broken", times=1, reading="layer")
    result = shop.pod(attempts=2)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    assert [pod["id"] for pod in shop.living()] == [result["pod"]["id"]]


@pytest.mark.parametrize(
    ("reading", "words"), [("layer", "layer does not exist"), ("uid", "cannot be mapped to a host ID")]
)
def test_q10_what_the_host_says_of_the_image_is_told(shop, reading, words):
    """No other host helps an image with such a user: whoever reads this must see the reason."""
    shop.fault("image-store-broken", reading=reading)
    result = shop.refused()
    assert words in result["msg"]
    assert shop.living() == []


def test_q11_our_requests_name_their_agent(shop):
    """The front of the service refuses Python's own."""
    request = urllib.request.Request(f"{shop.sandbox.url}/v2/pods", headers={"Authorization": "Bearer x"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert refused.value.read() == b"error code: 1010"
    assert shop.pods() == []
    assert [line["agent"].partition("/")[0] for line in shop.sent("listPods")] == ["podyard.gpu"]


@pytest.mark.parametrize("status", [400, 409, 500])
def test_q12_a_gpu_that_was_rented_away_is_not_waited_for(shop, status):
    shop.pod(volume={"size": 10, "path": "/workspace"})
    shop.pod(state="stopped", volume=None)
    shop.fault("gpu-taken", status=status)
    result = shop.refused(state="running")
    assert result["failure"]["kind"] == "NoCapacity"
    assert "not enough free GPUs" in result["msg"] and "state absent" in result["msg"]
    assert len(shop.made()) == 1, "what the volume holds is not thrown away unasked"


@pytest.mark.parametrize("guarded", [True, False])
def test_q13_a_volume_in_use_is_not_deleted(shop, guarded):
    """Whether the service itself looks, or deletes it under the pod."""
    if not guarded:
        shop.fault("volume-delete-unguarded")
    wish = {"name": "data", "poll_interval": 0.05, "consistency_grace": 0.5}
    place = {"size": 10, "data_center": "EU-RO-1"}
    shop.runner.run(runpod_network_volume.main, **shop.options(**wish, **place))
    pod = shop.pod(network_volume={"name": "data", "path": "/data"})["pod"]
    result = shop.runner.fail(runpod_network_volume.main, **shop.options(**wish, state="absent"))
    assert pod["id"] in result["msg"]
    assert [each["name"] for each in shop.api.get("/v2/network-volumes").json()["networkVolumes"]] == ["data"]
    shop.pod(state="absent", network_volume=None)
    assert shop.runner.run(runpod_network_volume.main, **shop.options(**wish, state="absent"))["changed"]
    assert shop.api.get("/v2/network-volumes").json()["networkVolumes"] == []


def test_q14_data_centres_are_written_in_capitals(shop):
    """In lower case they were taken, and broke later."""
    shop.fault("lower-case-data-center")
    assert shop.pod(data_centers=["eu-ro-1"])["pod"]["region"] == "EU-RO-1"
    [create] = shop.sent("createPod")
    assert create["request"]["json"]["dataCenterIds"] == ["EU-RO-1"]


def test_q14_of_volumes_too(shop):
    shop.fault("lower-case-data-center")
    wish = {"name": "data", "size": 10, "data_center": "eu-ro-1"}
    shop.runner.run(runpod_network_volume.main, **shop.options(**wish))
    [volume] = shop.api.get("/v2/network-volumes").json()["networkVolumes"]
    assert volume["dataCenter"] == "EU-RO-1"
    assert not shop.runner.run(runpod_network_volume.main, **shop.options(**wish))["changed"]


@pytest.mark.parametrize("guarded", [True, False])
def test_q15_a_template_in_use_is_not_deleted(shop, guarded):
    """The service refuses it while a pod was made of it; whether the pod says so is another question."""
    if not guarded:
        shop.fault("template-delete-unguarded")
    wish = {"name": "shop", "poll_interval": 0.05, "consistency_grace": 0.5}
    shop.runner.run(runpod_template.main, **shop.options(**wish, image=IMAGE))
    shop.pod(template="shop", image=None)
    absent = shop.options(**wish, state="absent")
    if guarded:
        result = shop.runner.fail(runpod_template.main, **absent)
        assert "in use" in result["msg"] or "uses" in result["msg"], result["msg"]
        assert [each["name"] for each in shop.api.get("/v2/templates").json()["templates"]] == ["shop"]
    shop.pod(state="absent", image=None)
    assert shop.runner.run(runpod_template.main, **absent)["changed"]
    assert shop.api.get("/v2/templates").json()["templates"] == []
    assert not shop.runner.run(runpod_template.main, **absent)["changed"]


def test_q15_the_delete_waits_for_the_pod_if_it_may(shop):
    wish = {"name": "shop", "poll_interval": 0.05, "consistency_grace": 0.5}
    shop.runner.run(runpod_template.main, **shop.options(**wish, image=IMAGE))
    pod = shop.pod(template="shop", image=None)["pod"]
    end = threading.Timer(1.0, shop.api.delete, [f"/v2/pods/{pod['id']}"])
    end.start()
    try:
        absent = shop.options(**wish, state="absent", wait_timeout=SOON)
        assert shop.runner.run(runpod_template.main, **absent)["changed"]
    finally:
        end.join()
    assert shop.living() == [] and shop.api.get("/v2/templates").json()["templates"] == []


def test_q16_quotes_and_line_breaks_survive(shop):
    env = {"A": 'say "hi"', "B": "two\nlines", "C": "back\\slash", "D": "{{ $x }} 'ü'"}
    pod = shop.pod(env=env)["pod"]
    seen = shop.api.pod(pod["id"])["env"]
    assert {name: seen[name] for name in env} == env
    assert not shop.pod(env=env)["changed"]


def test_q17_a_key_that_dies_on_the_way_leaves_the_pod_on_disk_and_tells_what_to_do(shop):
    shop.fault("sshd-late", seconds=600)
    shop.fault("unauthorized", operation="getPod,listPods,deletePod", skip=6)
    result = shop.refused(timeouts={"running": SOON, "addressed": SOON, "port_open": SOON})
    [pod] = shop.living()
    assert result["msg"].startswith("NOT PROVED GONE") or pod["id"] in result["msg"]
    for told in (pod["id"], "curl -X DELETE"):
        assert told in result["msg"]
    assert pod["id"] in "".join(path.read_text() for path in shop.run_dir.rglob("*") if path.is_file())
    shop.all_well()
    done = shop.runner.run(
        pod_termination.main,
        **shop.options(project="quirk", run_id=RUN, run_dir=str(shop.run_dir), poll_interval=0.05),
    )
    assert [each["gone_proved"] for each in done["pods"]] == [True] and shop.living() == []


def test_q18_a_stop_is_not_free_and_says_so(shop):
    shop.pod(volume={"size": 50, "path": "/workspace"})
    result = shop.pod(state="stopped", volume=None)
    # Those of earlier tests are still in this process's memory.
    warnings = [each["event"]["msg"] for each in result["warnings"]]
    assert [each for each in warnings if "USD 10.00 per month" in each and "state absent" in each]
    assert shop.api.pod(result["pod"]["id"])["status"] == "EXITED"
    assert not shop.pod(state="stopped", volume=None)["changed"]


@pytest.mark.parametrize("body", ["html", "empty", "json"])
def test_q19_a_body_that_is_no_json_is_read_leniently(shop, body):
    shop.fault("server-error", times=2, status=502, body=body, operation="getPod,listPods")
    assert shop.pod()["pod"]["stage"] == "port_open"
    shop.fault("server-error", status=500, body=body, operation="deletePod", times=1)
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"]
    assert shop.living() == []


@pytest.mark.parametrize("body", ["html", "empty"])
def test_q19_a_success_without_a_readable_body_is_looked_up(shop, body):
    """A create of which nobody says the id is as good as one without an answer: one pod, and it is found."""
    shop.fault("odd-body", times=1, operation="createPod", body=body)
    pod = shop.pod()["pod"]
    assert [made["id"] for made in shop.made()] == [pod["id"]] and shop.creates() == 1
    shop.fault("odd-body", operation="deletePod", body=body)
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"]
    assert shop.living() == []


def test_q19_a_list_without_a_readable_body_is_not_an_empty_one(shop):
    shop.pod()
    shop.fault("odd-body", operation="listPods", body="html")
    result = shop.refused()
    assert "list" in result["msg"] and shop.creates() == 1, "nothing is rented on the strength of it"


def test_q19_a_page_in_a_message_is_cut_to_its_words(shop):
    shop.fault("server-error", status=502, body="html", operation="listGpuTypes")
    result = shop.runner.fail(offer_info.main, **shop.options(gpus=["RTX 4090"]))
    assert "502" in result["msg"] and len(result["msg"]) < 1000


def test_q20_words_are_read_in_any_case(shop):
    """What is left was spelled High, and is HIGH now."""
    shop.fault("no-capacity", gpu="*L40S*", catalogue=True)
    look = shop.options(gpus=["RTX 4090", "L40S"], include_unavailable=True)
    before = shop.runner.run(offer_info.main, **look)["offers"]
    shop.fault("title-case-enums")
    after = shop.runner.run(offer_info.main, **look)["offers"]
    assert [offer["availability"] for offer in after] == [offer["availability"] for offer in before]
    assert {offer["availability"] for offer in after} > {"none"}
    assert {offer["availability"] for offer in after} <= {"none", "low", "medium", "high"}


def test_q21_looks_are_polite_and_headers_are_honoured(shop):
    shop.fault("rate-limited", times=2, retry_after=1, operation="getPod,listPods")
    shop.pod(poll_interval=None)
    looks = sorted(shop.sent("getPod") + shop.sent("listPods"), key=seconds)
    refused = [line for line in looks if line["status"] == 429]
    assert len(refused) == 2
    for line in refused:
        after = [seconds(other) - seconds(line) for other in looks if seconds(other) > seconds(line)]
        assert min(after) >= 1, "nothing is asked before the time that the header names"
    [create] = shop.sent("createPod")
    moments = [seconds(line) for line in [create, *looks] if seconds(line) >= seconds(create)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps and min(gaps) >= 5, "at a look a second, one pod alone would use up the quota of a minute"


def test_q21_without_a_retry_after_the_quota_tells(shop):
    shop.fault("rate-limited", times=1, retry_after=2, header=False, operation="createPod")
    shop.pod()
    first, second = shop.sent("createPod")
    assert (first["status"], second["status"]) == (429, 201) and "retry-after" not in map(str.lower, first["headers"])
    assert seconds(second) - seconds(first) >= 2


def seconds(line: dict[str, Any]) -> float:
    """When an exchange began."""
    return datetime.fromisoformat(line["time"]).timestamp()


def test_q22_all_pages_are_read(shop):
    """A pod on the last page is found: it is not rented twice, and not forgotten when the run is given back."""
    shop.fault("small-pages", size=2)
    for number in range(4):
        shop.api.running(name=f"other-{number}")
    pod = shop.pod()["pod"]
    assert len(shop.pods()) == 5
    assert not shop.pod()["changed"] and len(shop.made()) == 5
    done = shop.runner.run(pod_termination.main, **shop.options(project="quirk", run_id=RUN, poll_interval=0.05))
    assert [each["id"] for each in done["pods"]] == [pod["id"]]
    assert len(shop.living()) == 4


def test_the_balance_is_no_condition(shop):
    """Not of the list, but of the same kind: GraphQL is to be switched off, and nothing else may depend on it."""
    shop.fault("graphql-gone")
    result = shop.runner.run(account_info.main, **shop.options())
    assert result["accounts"][0]["balance_usd"] is None
