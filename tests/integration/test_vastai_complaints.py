# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of Vast.ai complain about, one test for each, named after the complaint: the sandbox is made to do it, and
our modules survive it. Nothing may be left that bills.

The modules run in this process against the sandbox's server, whose pods are only as real as the port that SSH would
answer on. Only where the key is the point, pods are real.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from harness import BIN, ran, wait_for
from stand_in import Api, ServerThread, until
from vast_stand_in import IMAGE, KEY, Vast

from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import PollInterval
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._pods import proof
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.lifecycle import PodLifecycle
from ansible_collections.podyard.gpu.plugins.module_utils._pods.outcome import PodOutcome
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import provider as vast_driver
from ansible_collections.podyard.gpu.plugins.modules import (
    account_info,
    pod_info,
    pod_termination,
    vastai_instance,
    vastai_offer_info,
    vastai_ssh_key,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from podyard_sandbox.settings import Settings

RUN = "20260715_140000_1f2e"
NAME = f"podyard-complaint-{RUN}-0"
# Long enough for what should come on a loaded machine, short enough to wait for what never does.
SOON, NEVER = 20, 0.5
GPU = "RTX 4090"


class Shop:
    """Our modules, and the sandbox from behind."""

    def __init__(self, runner: Runner, sandbox: ServerThread, work: Path, traffic: Path) -> None:
        self.runner, self.sandbox, self.traffic = runner, sandbox, traffic
        self.vast = Vast(sandbox)
        self.control = Api(sandbox.url, sandbox.home.api_key())
        self.run_dir = work / "run"
        self.run_dir.mkdir()

    def options(self, **changes: Any) -> dict[str, Any]:
        """Those of a module of this provider alone."""
        return {"api_key": self.sandbox.home.vast_api_key(), "api_url": self.sandbox.url, **changes}

    def wish(self, **changes: Any) -> dict[str, Any]:
        """A pod that is quickly there, or quickly not."""
        return self.options(**{
            "name": NAME, "image": IMAGE, "gpus": [GPU], "public_keys": [KEY], "wait_for": "port_open",
            "poll_interval": 0.05, "consistency_grace": 0.5, "run_dir": str(self.run_dir),
            "timeouts": {"running": SOON, "addressed": SOON, "port_open": SOON}, **changes,
        })  # fmt: skip

    def pod(self, **changes: Any) -> dict[str, Any]:
        """What vastai_instance returns when all went well."""
        return self.runner.run(vastai_instance.main, **self.wish(**changes))

    def refused(self, **changes: Any) -> dict[str, Any]:
        """What it returns when it fails."""
        return self.runner.fail(vastai_instance.main, **self.wish(**changes))

    def fault(self, kind: str, times: int | None = None, **params: Any) -> None:
        """Switch one on."""
        body = {"name": kind, "times": times, "params": {name: str(value) for name, value in params.items()}}
        answer = self.control.post("/_sandbox/faults", json=body)
        assert answer.status_code == 201, answer.text

    def all_well(self) -> None:
        """Switch all faults off."""
        self.control.delete("/_sandbox/faults")

    def shown(self) -> list[dict[str, Any]]:
        """The pods of the account as pod_info shows them."""
        return self.runner.run(pod_info.main, providers=["vastai"], **self.options())["pods"]

    def made(self) -> list[dict[str, Any]]:
        """Every contract that was ever made."""
        return self.vast.pods()

    def living(self) -> list[dict[str, Any]]:
        """Those that still bill, were it only their disk."""
        return [pod for pod in self.made() if pod["gone_at"] is None]

    def exchanges(self) -> list[dict[str, Any]]:
        """Everything that was said to the sandbox."""
        return [json.loads(line) for file in self.traffic.iterdir() for line in file.read_text().splitlines()]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """What our own requests of an operation looked like on the wire."""
        ours = [line for line in self.exchanges() if line["agent"].startswith("podyard.gpu/")]
        return [line for line in ours if line["operation"] == operation]

    def creates(self) -> list[str]:
        """The offers that a create was sent for."""
        return [line["path"].rstrip("/").rpartition("/")[2] for line in self.sent("vast.createInstance")]

    def only(self, result: dict[str, Any]) -> dict[str, Any]:
        """The one contract that is left, which must be the result's."""
        [pod] = self.living()
        assert pod["id"] == result["pod"]["id"]
        return pod

    def machine(self, pod: dict[str, Any]) -> str:
        """Where a pod of a result, or of the account, was rented, though it may be gone."""
        [instance] = [each for each in self.sandbox.server.vast.all_instances() if each.pod_id == pod["id"]]
        return str(instance.machine.id)


@pytest.fixture
def shop(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    # Neither side keeps pauses between requests: they are not the point here.
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")
    monkeypatch.chdir(tmp_path)
    # `make test` looks through what was said here, too.
    traffic = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", tmp_path)) / f"{os.getpid()}-{tmp_path.name}"
    sandbox = ServerThread(tmp_path / "sandbox", Settings(traffic=traffic, balance=1000, vast_limits=0))
    try:
        yield Shop(Runner(capsys, tmp_path), sandbox, tmp_path, traffic)
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    ("fault", "params"),
    [("server-error", {}), ("vast-auth-style", {"revoked": True}), ("odd-body", {}), ("odd-body", {"body": "html"})],
)
def test_a_list_that_fails_is_not_an_empty_one(shop, fault, params):
    """The old list answers 410 since 2026; who took that for "no pods" rented one after the other. Whatever it is that
    the list fails with: nothing is rented on the strength of it.
    """
    shop.pod()
    assert shop.vast.get("/v0/instances/").status_code == 410
    shop.fault(fault, operation="vast.listInstances", **params)
    result = shop.refused(name=NAME.replace("-0", "-1"))
    words = "holds no list of instances" if fault == "odd-body" else "list the pods on Vast.ai"
    assert words in result["msg"]
    if fault != "server-error":  # what is not worth another try is told at once
        told = shop.runner.fail(pod_info.main, providers=["vastai"], **shop.options())
        assert words in told["msg"]
    assert len(shop.made()) == 1
    assert shop.sent("vast.listInstancesV0") == []


def test_a_good_key_is_not_called_invalid(shop):
    """The key used to be tried on the old list, which is dead."""
    account = shop.runner.run(account_info.main, providers=["vastai"], **shop.options())["accounts"][0]
    assert account["balance_usd"] == pytest.approx(1000)
    assert shop.pod()["pod"]["stage"] == "port_open"


@pytest.mark.parametrize("style", ["401", "403", "404", "tfa", "expired"])
def test_a_bad_key_is_told_as_one_however_it_is_answered(shop, style):
    """A 404 among the answers to it is not "no such pod": nothing is taken for gone because of it."""
    pod = shop.pod()["pod"]
    shop.fault("vast-auth-style", style=style, revoked=True)
    result = shop.refused(state="absent")
    assert result["failure"]["kind"] == "AuthError"
    assert "API key" in result["msg"] or "second factor" in result["msg"]
    gone = shop.refused(state="absent", name=None, id=pod["id"])
    assert gone["failure"]["kind"] == "AuthError", "not absent already"
    shop.all_well()
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"] and shop.living() == []


def test_more_than_25_pods_are_seen(shop):
    """A page has 25 rows, whatever is asked for. The pod of the last page is neither rented twice nor forgotten."""
    offers = shop.vast.offers(rentable={"eq": True}, num_gpus={"eq": 1}, limit=200)
    for number, offer in enumerate(offers[:26]):
        shop.vast.made(offer["id"], label=f"other-{number}")
    pod = shop.pod()["pod"]
    assert len(shop.shown()) == 27
    assert not shop.pod()["changed"] and len(shop.made()) == 27
    ending = {"providers": ["vastai"], "project": "complaint", "run_id": RUN}
    done = shop.runner.run(pod_termination.main, **shop.options(poll_interval=0.05, consistency_grace=0.5, **ending))
    assert [each["id"] for each in done["pods"]] == [pod["id"]] and len(shop.living()) == 26


def test_a_failed_create_leaves_no_stopped_instance_that_bills(shop):
    """The bid was too low or the GPU busy, the answer an error, and a contract was made beside it."""
    shop.fault("vast-create-error-with-contract", times=1)
    result = shop.pod()
    assert shop.only(result) and len(shop.made()) == 2
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    [gone] = result["pods_gone"]
    assert gone["gone_proved"] and gone["id"] == shop.made()[0]["id"]


def test_a_bid_that_is_too_low_is_told_and_leaves_nothing(shop):
    result = shop.refused(interruptible=True, bid=0.01)
    assert "needs a bid of at least" in result["msg"] and shop.made() == []
    shop.fault("vast-create-error-with-contract")
    result = shop.refused(interruptible=True, bid=5)
    assert "The option bid is 5" in result["msg"] and "raise it" in result["msg"]
    assert shop.made() and shop.living() == []


@pytest.mark.parametrize(
    ("fault", "creates"), [("vast-create-timeout-but-created", 1), ("vast-create-timeout-unmade", 2)]
)
def test_a_create_without_an_answer_ends_with_exactly_one_contract(shop, fault, creates):
    shop.fault(fault, times=1)
    result = shop.pod()
    assert shop.only(result) and len(shop.made()) == 1
    assert len(shop.creates()) == creates, "what was proved absent, and only that, is asked for again"
    assert len(set(shop.creates())) == 1
    assert not shop.pod()["changed"], "the next call finds it"


def outbid(shop: Shop, name: str) -> None:
    """Have somebody bid more, as soon as there is such a pod, whose image is still being pulled."""
    machines = shop.sandbox.server.vast
    instance = until(lambda: next((each for each in machines if each.config.label == name), None), bool)
    until(lambda: instance.actual, lambda actual: actual == "loading")
    instance.machine.min_bid *= 100


def test_a_spot_pod_taken_away_while_it_is_provisioned_fails_at_once(shop):
    """All its states say stopped, and it would be waited for until the very end."""
    shop.fault("vast-slow-pull", seconds=600)
    other = threading.Thread(target=outbid, args=(shop, f"{NAME}-1"))
    other.start()
    result = shop.refused(interruptible=True, bid=1.0, timeouts={"running": 600})
    other.join()
    assert "another customer pays more" in result["msg"] and shop.living() == []
    assert [each["gone_proved"] for each in result["pods_gone"]] == [True]


def test_a_spot_search_is_billed_as_spot(shop):
    """The price must be sent, or the contract is on demand at the higher price."""
    result = shop.pod(interruptible=True, bid=0.33)
    assert result["pod"]["interruptible"] is True and result["pod"]["bid"] == 0.33
    [create] = shop.sent("vast.createInstance")
    assert create["request"]["json"]["price"] == 0.33
    search = shop.sent("vast.searchOffers")[-1]
    assert search["request"]["json"]["type"] == "bid"
    assert result["pod"]["usd_per_hour"] < 0.36, "on demand it is more"


def test_a_contract_on_demand_for_a_bid_is_given_back(shop):
    shop.fault("vast-bid-ignored")
    result = shop.refused(interruptible=True, bid=0.33)
    assert "on demand" in result["msg"] and "given back" in result["msg"]
    assert shop.made() and shop.living() == []


def concurrent(shop: Shop, monkeypatch: pytest.MonkeyPatch, count: int) -> list[PodOutcome]:
    """Rent several pods at once, each having seen the same offers before the first one is rented."""
    meeting, real = threading.Barrier(count), vast_driver.offers.offers

    def searched(api: Any, query: OfferQuery) -> Any:
        found = real(api, query)
        meeting.wait(SOON)
        return found

    monkeypatch.setattr(vast_driver.offers, "offers", searched)
    outcomes: list[PodOutcome] = []

    def rent(number: int) -> None:
        provider = vast_driver.Vast(shop.sandbox.home.vast_api_key(), shop.sandbox.url, scale=0)
        wanted = PodSpec(
            name=NAME.replace("-0", f"-{number}"), image=IMAGE, gpus=(GPU,), any_cloud=True, public_keys=(KEY,)
        )
        outcomes.append(
            PodLifecycle(PodContext(provider, PollInterval(interval=0.05), grace=0.5), wanted).ensure("present")
        )

    threads = [threading.Thread(target=rent, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def test_two_pods_at_once_never_rent_one_offer(shop, monkeypatch):
    """The service accepts both, and then one of them never starts."""
    shop.fault("vast-double-accept")
    outcomes = concurrent(shop, monkeypatch, 2)
    assert len(outcomes) == 2 and len(shop.creates()) == len(set(shop.creates())) == 2
    for pod in shop.living():
        assert shop.vast.until(int(pod["id"]), lambda row: row["actual_status"] == "running")


@pytest.mark.parametrize("text", ["port", "oci"])
def test_an_offer_that_somebody_else_rented_meanwhile_is_replaced(shop, monkeypatch, text):
    """The create is accepted, nothing in its answer says so, and the container never starts."""
    shop.fault("vast-double-accept", text=text, name="podyard-*")
    real, rivals = vast_driver.offers.offers, []

    def searched(api: Any, query: OfferQuery) -> Any:
        found = real(api, query)
        if not rivals:
            rivals.append(shop.vast.made(int(min(found, key=lambda each: each.usd_per_hour or 99).id), label="rival"))
        return found

    monkeypatch.setattr(vast_driver.offers, "offers", searched)
    result = shop.pod(attempts=2)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    assert {pod["id"] for pod in shop.living()} == {result["pod"]["id"], str(rivals[0])}
    assert shop.machine(result["pod"]) != shop.machine({"id": str(rivals[0])}), "not on that machine again"


@pytest.mark.parametrize(
    ("fault", "params", "words"),
    [
        ("vast-oci-fail", {}, "OCI runtime create failed"),
        ("vast-offline", {}, "offline"),
    ],
)
def test_a_pod_that_never_starts_is_replaced_on_another_machine(shop, fault, params, words):
    shop.fault(fault, times=1, **params)
    result = shop.pod(attempts=2, timeouts={"running": SOON, "addressed": SOON, "port_open": SOON})
    assert shop.only(result)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    assert words in result["attempts"][0]["reason"], "in the host's own words"
    assert result["attempts"][0]["seconds"] < SOON, "at once, and not at the end of a deadline"
    first, second = shop.made()
    assert first["gone_at"] and shop.machine(first) != shop.machine(second)


@pytest.mark.parametrize(("text", "words"), [("manifest", "manifest"), ("denied", "pull access denied")])
def test_an_image_that_cannot_be_had_ends_the_wait_at_once_and_is_tried_nowhere_else(shop, text, words):
    """The status goes on loading for minutes; and no other machine would have the image either."""
    shop.fault("vast-bad-image", text=text, seconds=600)
    result = shop.refused(attempts=2)
    assert words in result["msg"] and "Check the option image" in result["msg"]
    assert result["attempts"][0]["seconds"] < SOON
    assert len(shop.made()) == 1 and shop.living() == []


def test_no_more_pods_are_rented_than_attempts_say(shop):
    """Others launched again and again."""
    shop.fault("vast-oci-fail")
    result = shop.refused(gpus=[GPU, "RTX 3090"], attempts=2)
    assert len(shop.made()) == 2 and shop.living() == []
    assert [each["gone_proved"] for each in result["pods_gone"]] == [True, True]
    assert "OCI runtime create failed" in result["msg"]


def test_a_pod_that_sits_stopped_after_a_good_create_is_started_once(shop):
    shop.fault("vast-success-but-stopped", times=1)
    assert shop.only(shop.pod()) and len(shop.made()) == 1
    shop.pod(state="absent")
    shop.fault("vast-success-but-stopped")
    shop.fault("vast-start-unavailable")
    result = shop.refused()
    assert "was stopped" in result["msg"] and shop.living() == []


@pytest.mark.parametrize("status", [400, 404, 410])
def test_an_offer_that_is_gone_is_followed_by_the_next(shop, status):
    """Whatever of the three the service says no_such_ask with."""
    shop.fault("vast-ask-gone", times=1, status=status)
    result = shop.pod()
    assert [each["outcome"] for each in result["attempts"]] == ["refused", "rented"]
    assert shop.only(result) and len(set(shop.creates())) == 2
    shop.pod(state="absent")
    shop.fault("vast-ask-gone", status=status)
    result = shop.refused()
    assert result["failure"]["kind"] == "NoCapacity" and "no_such_ask" in result["msg"]
    assert "All 2 offers that fit were tried" in result["msg"]
    assert shop.living() == []


def test_keys_reach_the_pod_by_three_ways(shop):
    """ "Permission denied (publickey)" right after the create: the key was not in the container."""
    pod = shop.pod()["pod"]
    assert KEY in [each["public_key"] for each in shop.vast.get("/v0/ssh/").json()], "before the create"
    [attached] = shop.sent("vast.attachSshKey")
    assert attached["request"]["json"]["ssh_key"] == KEY and attached["status"] == 200
    assert KEY in shop.vast.show(int(pod["id"]))["onstart"]
    [create] = shop.sent("vast.createInstance")
    assert min(line["time"] for line in shop.sent("vast.createSshKey")) < create["time"] < attached["time"]
    shop.pod(state="absent")
    assert shop.vast.get("/v0/ssh/").json() == [], "what was added is taken off"


@pytest.mark.parametrize("account", ["person", "team"])
def test_the_key_outlives_a_rewrite_of_authorized_keys(shop, account):
    """After hours the file was written anew with the registered keys alone: what stood only there was locked out."""
    if account == "team":
        shop.fault("vast-team-account")
    shop.fault("vast-key-vanishes", after=0.1)
    pod = shop.pod()["pod"]
    keys, _rewritten = until(lambda: shop.sandbox.pods.keys.get(pod["id"], ((), False)), lambda seen: seen[1])
    assert KEY in keys


def test_a_team_takes_no_account_keys_and_its_pod_lets_us_in_all_the_same(shop):
    shop.fault("vast-team-account")
    result = shop.pod()
    assert shop.vast.get("/v0/ssh/").json() == []
    [row] = json.loads(shop.vast.get(f"/v0/instances/{result['pod']['id']}/ssh/").json()["ssh_keys"])
    assert KEY in row.values()
    assert [each for each in said(result) if "not put on the account" in each]
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"]


@pytest.mark.parametrize("path", ["~/.ssh/id_ed25519.pub", "/root/.ssh/id_ed25519"])
def test_a_path_in_place_of_a_key_is_refused(shop, path):
    """The vendor's tool stores it as the key, and says success."""
    result = shop.refused(public_keys=[path])
    assert "not a public SSH key" in result["msg"] and path in result["msg"] and shop.made() == []
    result = shop.runner.fail(vastai_ssh_key.main, **shop.options(key=[path]))
    assert path in result["msg"]
    assert shop.vast.get("/v0/ssh/").json() == []


@pytest.mark.parametrize(("runtype", "step"), [("proxy", 0), ("direct", 0), ("jupyter_proxy", 1), ("jupyter", 1)])
def test_the_port_is_not_wrong_by_one(shop, runtype, step):
    """The gateway's port is one higher in Jupyter modes, and only there."""
    shop.fault("vast-proxy-only")
    result = shop.pod(runtype=runtype)
    row = shop.vast.show(int(result["pod"]["id"]))
    assert result["pod"]["endpoint"] == {
        "host": row["ssh_host"], "port": row["ssh_port"] + step, "user": "root", "mode": "proxy"
    }  # fmt: skip
    assert result["pod"]["stage"] == "port_open", "and something answers there"


def test_a_line_break_behind_the_address_does_no_harm(shop):
    shop.fault("vast-ip-with-newline")
    pod = shop.pod()["pod"]
    row = shop.vast.show(int(pod["id"]))
    assert row["public_ipaddr"].endswith("\n")
    assert pod["endpoint"]["host"] == row["public_ipaddr"].strip() and pod["endpoint"]["mode"] == "direct"


def test_the_direct_address_comes_first(shop):
    """An old tool showed the gateway's, though there was a mapped port."""
    pod = shop.pod()["pod"]
    row = shop.vast.show(int(pod["id"]))
    assert pod["endpoint"] == {
        "host": row["public_ipaddr"], "port": int(row["ports"]["22/tcp"][0]["HostPort"]), "user": "root",
        "mode": "direct",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "mode"),
    [("vast-ports-null", "proxy"), ("vast-direct-refused", "proxy"), ("vast-proxy-refused", "direct")],
)
def test_the_other_address_is_tried(shop, fault, mode):
    shop.fault(fault)
    assert shop.pod()["pod"]["endpoint"]["mode"] == mode


def test_a_service_port_is_opened_where_there_are_direct_ports(shop):
    """The gateway leads to 22 alone; any other port must be asked for, on a machine that has some to give."""
    result = shop.pod(ports=["22/tcp", "8080/tcp", "9000/udp"])
    search = shop.sent("vast.searchOffers")[-1]
    assert search["request"]["json"]["direct_port_count"] == {"gte": 3}
    [instance] = list(shop.sandbox.server.vast)
    assert {"-p 8080:8080", "-p 9000:9000/udp"} <= set(instance.config.env)
    assert result["pod"]["ports"] == ["22/tcp", "8080/tcp", "9000/udp"]
    assert not shop.pod(ports=["22/tcp", "8080/tcp", "9000/udp"])["changed"]


@pytest.mark.parametrize("again", ["not_found", "no_such_instance", "200"])
def test_what_is_destroyed_is_null_and_crashes_nothing(shop, again):
    if again != "not_found":
        shop.fault("vast-destroy-again", reading=again)
    pod = shop.pod()["pod"]
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"]
    assert shop.vast.show(int(pod["id"])) is None
    assert not shop.pod(state="absent", name=None, id=pod["id"])["changed"]
    provider = vast_driver.Vast(shop.sandbox.home.vast_api_key(), shop.sandbox.url, scale=0)
    assert provider.terminate(pod["id"]) == (again == "200"), "whatever a second order is answered"
    assert shop.shown() == []
    missing = shop.refused(name=None, id=pod["id"])
    assert f"There is no pod with the id {pod['id']}" in missing["msg"]


@pytest.mark.parametrize("reading", ["429", "500", "alive", "back"])
def test_what_is_destroyed_is_proved_gone(shop, monkeypatch, reading):
    """A destroy is refused, or said to be done though it is not, or the pod comes back."""
    shop.pod()
    # An ended pod is watched for as long as some were seen to come back, here a minute's fiftieth.
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0.02")
    monkeypatch.setattr(proof, "AGAIN", 0.1)
    shop.fault("vast-destroy-flaky", times=1, reading=reading, seconds=0.4)
    result = shop.pod(state="absent")
    assert [each["gone_proved"] for each in result["pods_gone"]] == [True]
    assert shop.living() == []


def test_a_destroy_that_is_ignored_is_told(shop, monkeypatch):
    monkeypatch.setitem(proof.terminate_and_prove.__kwdefaults__, "patience", 0.5)
    pod = shop.pod()["pod"]
    shop.fault("vast-destroy-flaky", reading="ignored")
    result = shop.refused(state="absent")
    assert result["msg"].startswith("NOT PROVED GONE") and pod["id"] in result["msg"]
    assert "curl -X DELETE" in result["msg"] and "per hour" in result["msg"]


@pytest.mark.parametrize("where", ["show", "list", "both"])
def test_a_pod_that_is_not_shown_at_first_is_not_taken_for_gone(shop, where):
    shop.fault("vast-null-after-create", times=1, seconds=0.3, reading=where)
    result = shop.pod(consistency_grace=SOON)
    assert shop.only(result) and len(shop.made()) == 1


def test_logs_that_come_late_are_waited_for(shop):
    """The vendor's old library returned nothing."""
    shop.pod()
    shop.fault("vast-logs-late", polls=2)
    provider = vast_driver.Vast(shop.sandbox.home.vast_api_key(), shop.sandbox.url, scale=0)
    assert provider.logs(shop.living()[0]["id"]) == ["Pod Started"]
    polls = [line["status"] for line in shop.exchanges() if line["path"].startswith("/vastai/results/")]
    assert polls == [404, 404, 200]


def test_big_gpus_are_found_by_cuda_version(shop):
    """With cuda_max_good alone, the search loses them."""
    shop.fault("vast-cuda-filter-drops")
    query = {"cuda_max_good": {"gte": 12.4}}
    assert not [each for each in shop.vast.offers(**query, limit=200) if "H100" in each["gpu_name"]]
    offers = shop.runner.run(
        vastai_offer_info.main, **shop.options(gpus=["H100 SXM", "H200"], min_cuda_version="12.4", hours=0)
    )["offers"]
    assert {offer["gpu"] for offer in offers} == {"H100 SXM", "H200"}


@pytest.mark.parametrize("reading", ["queued", "stopped"])
def test_a_start_without_a_gpu_is_not_waited_for(shop, reading):
    """ "Scheduling", for ever perhaps; and if it ever starts, it bills unasked."""
    pod = shop.pod()["pod"]
    stopped = shop.pod(state="stopped")
    assert [each for each in said(stopped) if "never starts again" in each and "per month" in each]
    shop.fault("vast-start-unavailable", reading=reading)
    result = shop.refused(state="running")
    assert result["failure"]["kind"] == "NoCapacity"
    assert "rented to another while it was stopped" in result["msg"]
    assert [each["id"] for each in shop.living()] == [pod["id"]], "its disk is not thrown away unasked"
    shop.all_well()
    row = shop.vast.show(int(pod["id"]))
    assert (row["intended_status"], row["cur_state"]) == ("stopped", "stopped"), "the start was called off"


def said(result: dict[str, Any]) -> list[str]:
    """Its warnings."""
    return [each["event"]["msg"] for each in result["warnings"]]


def test_no_credit_is_named_as_the_reason_of_a_stop(shop):
    """Instances stop by themselves when the account is empty."""
    shop.pod()
    shop.fault("vast-credit-zero")
    [pod] = until(shop.shown, lambda pods: pods[0]["phase"] == "stopped")
    assert pod["interruption"] == "no credit"
    result = shop.refused(state="running")
    assert "credit" in result["msg"] and "Top up" in result["msg"]
    result = shop.refused(name=NAME.replace("-0", "-1"))
    assert result["failure"]["kind"] == "PaymentRequired" and "Top up" in result["msg"]
    assert len(shop.creates()) == 2, "no other offer would help"


@pytest.mark.parametrize(
    ("fault", "params", "word", "billing"),
    [
        ("vast-outbid", {}, "outbid", "disk"),
        ("vast-expired", {}, "expired", "disk"),
        ("vast-offline", {"status": "offline"}, "host lost", "none"),
        ("vast-offline", {"status": "unknown"}, "host lost", "gpu"),
    ],
    ids=["outbid", "expired", "offline", "unknown"],
)
def test_who_took_a_pod_away_is_told(shop, fault, params, word, billing):
    """An interruption is an event of its own and no error text, and it says what goes on billing: of a host without a
    heartbeat nobody says that it is free.
    """
    spot = {"interruptible": True, "bid": 0.5} if word == "outbid" else {}
    pod = shop.pod(**spot)["pod"]
    assert (pod["interruption"], pod["billing"]) == (None, "gpu")
    shop.fault(fault, pod=NAME + "-*", **params)
    [found] = until(shop.shown, lambda pods: pods[0]["interruption"] is not None)
    assert (found["interruption"], found["id"]) == (word, pod["id"])
    assert found["billing"] == billing


def test_a_stop_of_ours_is_no_interruption(shop):
    """It looks like an outbid; the other tasks of this machine know better."""
    shop.pod(interruptible=True, bid=0.5)
    shop.pod(state="stopped")
    assert [(pod["phase"], pod["interruption"]) for pod in shop.shown()] == [("stopped", None)]


def test_a_spend_limit_is_told_with_what_helps(shop):
    shop.fault("vast-spend-limit")
    result = shop.refused()
    assert result["failure"]["kind"] == "PaymentRequired"
    assert "verify the e-mail" in result["msg"] and "cheaper" in result["msg"]
    assert len(shop.creates()) == 1 and shop.made() == [], "no other offer would help"


def test_a_pod_that_loads_for_long_is_replaced(shop):
    """A slow host or a big image: the search asks for a fast line, the wait ends, and another machine is taken."""
    shop.fault("vast-slow-pull", times=1, seconds=600)
    result = shop.pod(attempts=2, timeouts={"running": 3})
    assert shop.only(result) and [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    first, second = shop.made()
    assert shop.machine(first) != shop.machine(second)
    search = shop.sent("vast.searchOffers")[-1]
    assert search["request"]["json"]["inet_down"] == {"gte": 100}


def test_the_bill_is_the_shown_price(shop):
    """The disk is part of the search, and of the price; the contract is read back."""
    search = {"gpus": [GPU], "disk": 300}
    cheapest = shop.runner.run(vastai_offer_info.main, **shop.options(**search))["offers"][0]
    pod = shop.pod(disk=300)["pod"]
    assert pod["usd_per_hour"] == pytest.approx(cheapest["usd_per_hour"], abs=1e-4)
    assert shop.living()[0]["usd_per_hour"] == pytest.approx(pod["usd_per_hour"])
    asked = shop.sent("vast.searchOffers")[-1]
    assert asked["request"]["json"]["allocated_storage"] == 300


def volumes(shop: Shop) -> list[dict[str, Any]]:
    return shop.vast.get("/v0/volumes").json()["volumes"]


def test_a_pod_is_rented_on_the_machine_of_its_volume(shop):
    """A volume is on one machine. What is not to be had there is refused, and not rented elsewhere."""
    offers = shop.runner.run(vastai_offer_info.main, **shop.options(gpus=[GPU]))["offers"]
    machine = int(offers[-1]["host"])
    assert machine != int(offers[0]["host"]), "not the one that would be rented anyway"
    [disk] = shop.vast.post("/v0/volumes/search/", {"machine_id": {"eq": machine}}).json()["offers"]
    shop.vast.put("/v0/volumes/", {"id": disk["id"], "size": 15, "name": "data"})
    wish = {"volume": {"id": "data", "path": "/data"}}
    elsewhere = shop.refused(gpus=["H200"], **wish)
    assert elsewhere["failure"]["kind"] in ("NoCapacity", "BadRequest") and shop.made() == []
    result = shop.pod(**wish)
    assert shop.machine(result["pod"]) == str(machine) and len(shop.creates()) == 1
    assert (shop.sandbox.pods.specs[-1].mount_path, result["pod"]["mounts"][0]["path"]) == ("/data", "/data")
    assert not shop.pod(**wish)["changed"] and len(volumes(shop)) == 1


def test_a_new_volume_outlives_its_pod_and_none_is_left_of_a_pod_that_was_given_back(shop):
    """Nobody would know of it, and it bills for ever."""
    shop.fault("vast-oci-fail", times=1)
    result = shop.pod(volume={"size": 30, "path": "/data", "name": "data"}, attempts=2)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    [volume] = volumes(shop)
    assert (volume["label"], volume["size"]) == ("data", 30)
    assert shop.machine(result["pod"]) == str(volume["machine_id"])
    assert shop.pod(state="absent")["pods_gone"][0]["gone_proved"] and len(volumes(shop)) == 1


def test_a_pod_that_is_made_stopped_bills_its_disk_alone_and_can_be_started(shop):
    pod = shop.pod(target_state="stopped")["pod"]
    assert (pod["phase"], pod["billing"], pod["interruption"]) == ("stopped", "disk", None)
    assert not shop.pod(target_state="stopped")["changed"]
    started = shop.pod(state="running")
    assert started["changed"] and (started["pod"]["id"], started["pod"]["stage"]) == (pod["id"], "port_open")


def test_a_contract_above_the_cap_is_given_back(shop):
    shop.fault("vast-price-above", factor=3)
    result = shop.refused(max_price=0.50)
    assert "above the cap" in result["msg"] and shop.made() and shop.living() == []


def test_the_search_quota_of_the_day_is_not_waited_for(shop):
    shop.fault("vast-quota")
    result = shop.refused()
    assert "midnight UTC" in result["msg"] and shop.made() == []
    assert len(shop.sent("vast.searchOffers")) == 1


# With real pods


@pytest.fixture(name="account")
def real_account(cloud, capsys, tmp_path, monkeypatch):
    """Runs a module of this provider against a sandbox whose pods let people in."""
    cloud.command("up", "--vast-limits", "0")
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")
    monkeypatch.chdir(tmp_path)
    options = {"api_key": cloud.settings["VAST_API_KEY"], "api_url": cloud.settings["VAST_URL"]}
    runner = Runner(capsys, tmp_path)
    return lambda **changes: runner.run(vastai_instance.main, **options, **changes)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("vast-key-late", ["--param", "seconds=600"]),
        ("vast-key-never", ["--param", "reading=absent"]),
        ("vast-key-never", ["--param", "reading=mode"]),
        ("vast-key-vanishes", ["--param", "after=0"]),
    ],
    ids=["late", "never", "refused for its rights", "rewritten"],
)
def test_who_rents_can_log_in(cloud, account, tmp_path, fault, options):
    """ "Permission denied (publickey)": keys come late, not at all, in a file that sshd refuses, or are lost later."""
    cloud.fault(fault, *options)
    made = ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"])
    assert made.returncode == 0, made.stderr
    wish = {
        "name": f"key-{tmp_path.name}", "image": IMAGE, "gpus": [GPU], "private_key_file": str(tmp_path / "key"),
        "public_keys": [(tmp_path / "key.pub").read_text()], "poll_interval": 0.2, "consistency_grace": 1,
        "known_hosts_file": str(tmp_path / "known_hosts"),
    }  # fmt: skip
    pod = account(**wish)["pod"]
    assert pod["stage"] == "ready"
    if fault == "vast-key-vanishes":
        wait_for(lambda: [each for each in cloud.status()["faults"] if each["name"] == fault and each["hits"]], fault)
        assert account(**wish)["pod"]["stage"] == "ready"
    assert account(**wish, state="absent")["pods_gone"][0]["gone_proved"]
    assert cloud.living(wish["name"]) == [] and len(cloud.pods(wish["name"])) == 1


def test_an_inventory_whose_list_fails_is_no_empty_one(cloud, playbook, tmp_path):
    file = tmp_path / "vast.yml"
    file.write_text("plugin: podyard.gpu.pods\nproviders: [vastai]\n")
    command = [BIN / "ansible-inventory", "-i", file, "--list"]
    good = ran(command, env=playbook.environ, cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    cloud.fault("vast-auth-style", "--param", "revoked=true", "--param", "operation=vast.listInstances")
    bad = ran(command, env=playbook.environ, cwd=tmp_path)
    assert bad.returncode != 0 and "Invalid user key" in " ".join(bad.stderr.split())
    assert "Traceback" not in bad.stderr


def test_the_whole_cycle(cloud, job, playbook):
    """The same files and the same proof as on any other provider; what was copied is there, byte for byte."""
    cloud.command("up", "--vast-limits", "0")
    playbook.environ["PODYARD_VAST_THRESHOLD_SCALE"] = "0"
    job.variables |= {"train_providers": ["vastai"], "train_image": IMAGE}
    done = playbook.run(job)
    assert done.code == 0, done.output
    record = job.record
    assert record["outcome"] == "succeeded" and not record["error"]
    [pod] = cloud.pods(f"podyard-{job.name}-")
    [told] = record["pods"]
    assert (told["id"], told["name"], told["provider"]) == (pod["id"], pod["name"], pod["provider"])
    assert pod["provider"] == "vastai" and pod["gone_at"] and told["gone_proved"]
    assert told["usd_per_hour"] == pytest.approx(pod["usd_per_hour"], abs=1e-4)
    assert record["cost_usd"] == pytest.approx(pod["cost_usd"], abs=pod["usd_per_hour"] / 3600 * 30)
    assert record["cost_usd"] > 0
    assert {each["path"] for each in record["artifacts"]} == {"artifacts/model.bin", "artifacts/metrics.jsonl"}
    for artifact in record["artifacts"]:
        content = (job.run / artifact["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact["bytes"], artifact["sha256"])
    assert len((job.run / "metrics.jsonl").read_text().splitlines()) == 5
    report = (job.run / "report.html").read_text()
    assert "<svg" in report and pod["id"] in report
    secret = cloud.settings["VAST_API_KEY"]
    files = [path for path in job.run.rglob("*") if path.is_file() and "id_ed25519" not in path.name]
    assert not [path for path in files if secret in path.read_text(errors="replace")] and secret not in done.output
    keys = requests.get(
        f"{cloud.settings['VAST_URL']}/api/v0/ssh/", headers={"Authorization": f"Bearer {secret}"}, timeout=30
    )
    assert keys.json() == [], "the run's key is taken off the account"
