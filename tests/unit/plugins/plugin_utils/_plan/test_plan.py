# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan from the answers of providers: what it says, what it refuses, how it looks."""

from __future__ import annotations

import builtins
import json
import os
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.action.plan import ActionModule
from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Account, Reference
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.action import local_path
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.pod import complete
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import (
    checks,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import (
    market as market_module,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import (
    plan as plan_module,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import (
    text as text_module,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan.options import Names, of_pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan.record import Credential, Plan
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import IDENTITY, FakeCloud, offer, pod

IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"


class Cloud(FakeCloud):
    """A provider of this name whose disk is the only one, or not."""

    def __init__(self, name: str, *pods, balance: float | None = 50.0, one_disk: bool = False, **options: Any) -> None:
        super().__init__(*pods, **options)
        self.name = name
        self.balance = balance
        self.capabilities = Capabilities(keeps_disk=one_disk, because={"interruptible": "there are none"})

    #: What the account spends an hour, and may spend.
    spending: tuple[float, ...] = ()

    def known_regions(self, words):
        return tuple(words)

    def account(self) -> Account:
        return self._call("account", None, lambda: Account(self.name, self.balance, *self.spending))

    def rates(self, offer, disk_gb, volume_gb) -> Rates:
        return Rates(offer.usd_per_hour, disk=0.01, gb_in=0.0, gb_out=0.0, remarks=(f"{self.name}: a list price",))


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setattr(registry, "key_origin", lambda name, environ, sources: ("A_KEY", "the environment"))


@pytest.fixture(name="trees")
def _trees(tmp_path):
    """10 kB of data and a line of code."""
    for name, size in (("src", 10), ("data", 10_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    return {"code": str(tmp_path / "src"), "dataset": str(tmp_path / "data")}


#: A job has the pod's options beside its own.
AS_A_JOB = Names("train_", "train_")


def wishes(**changes: Any) -> dict[str, Any]:
    given = {name: option.get("default") for name, option in ActionModule.ARGUMENTS.items()}
    given.update(of_pod(complete({}, "pod")))
    given.update(gpus=["RTX 4090"], image=IMAGE, max_hours=6.0, prefix="train_", min_cuda_version="12.8", name=IDENTITY)
    return {**given, **changes}


def planned(*clouds: Cloud, **changes: Any) -> Plan:
    """The plan of these wishes when the providers answer like this."""
    options = wishes(providers=[cloud.name for cloud in clouds], **changes)
    known = {cloud.name: cloud for cloud in clouds}
    trees = plan_module.read_trees(options, local_path)
    market = market_module.ask(options, {}, known.__getitem__, lambda line: None)
    plan = plan_module.build(options, market, trees)
    plan.problems, plan.warnings = checks.judge(plan, market, trees.problems, AS_A_JOB)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan, "it can be written as it is"
    return plan


def one(cloud_offers=(), pods=(), **changes: Any) -> Cloud:
    return Cloud("one", *pods, offers=cloud_offers or [offer(provider="one", price=0.69)], **changes)


def only(texts: list[str], words: str) -> None:
    """One sentence, and it has these words."""
    assert len(texts) == 1 and words in texts[0], texts


def test_a_good_plan(trees):
    plan = planned(one(), **trees)
    assert plan.problems == plan.warnings == []
    assert plan.schema == 1
    assert plan.credentials == [Credential("one", "A_KEY", "the environment")]
    assert plan.balance_usd == 50
    assert plan.estimate.usd == pytest.approx(4.2)
    assert plan.offers[0].usd_per_hour == 0.69 and plan.offers[0].estimate == plan.estimate
    assert (plan.usd_per_hour_at_most, plan.usd_at_most, plan.hours_at_most) == (0.7, pytest.approx(4.2), 6)
    assert (plan.code.files, plan.dataset.bytes) == (1, 10_000)
    assert plan.transfer.assumed and plan.transfer.bytes == 10_010
    assert plan.disk.free_gb == pytest.approx(15, abs=0.01)
    assert plan.run.state == "new"
    assert plan.limits.max_hours == 6


def test_nothing_is_asked_that_could_change_anything(trees):
    cloud = one()
    planned(cloud, **trees)
    assert {verb for verb, _argument in cloud.calls} == {"account", "list", "check", "offers"}


def test_the_first_ten_offers_over_both_providers():
    first = Cloud(
        "one", offers=[offer(provider="one", gpu_id=f"G{n}", gpu=f"G{n}", price=1 + n / 10) for n in range(7)]
    )
    other = Cloud(
        "two", offers=[offer(provider="two", gpu_id=f"G{n}", gpu=f"G{n}", price=2 + n / 10) for n in range(7)]
    )
    plan = planned(first, other, gpus=[f"G{n}" for n in range(7)])
    assert len(plan.offers) == 10 and plan.offers_fitting == 14
    assert {each.provider for each in plan.offers} == {"one", "two"}
    assert plan.usd_per_hour_at_most == pytest.approx(2.61)


def test_offers_of_one_machine_that_are_alike_are_told_once():
    there: dict[str, Any] = {"provider": "one", "region": "US", "cloud": None, "disk_gb": 500.0, "hours_left": 90.0}
    machines = [
        *(offer(id=f"{n}", host="m1", **there) for n in range(12)),
        offer(id="13", host="m1", price=0.75, **there),
        offer(id="14", host="m2", price=0.79, **there),
    ]
    plan = planned(one(machines))
    assert [(each.host, each.alike) for each in plan.offers] == [("m1", 12), ("m1", 1), ("m2", 1)]
    assert plan.offers_fitting == 14
    text = text_module.render(plan, 80)
    assert "US, 12 alike" in text and "more, dearer" not in text


def test_offers_of_no_machine_are_never_alike():
    twice = [offer(provider="one", price=0.69), offer(provider="one", price=0.69, cloud="COMMUNITY")]
    assert [each.alike for each in planned(one(twice), clouds=["SECURE", "COMMUNITY"]).offers] == [1, 1]


# -- money
# ----------------------------------------------------------------------------------------------------------------------


def test_a_balance_below_the_first_hour_is_refused():
    plan = planned(one(balance=0.5))
    only(
        plan.problems,
        "The balance of one is USD 0.50, and the first hour of the cheapest offer there costs USD 0.70",
    )


def test_a_balance_below_the_estimate_is_a_warning():
    plan = planned(one(balance=3.0))
    assert plan.problems == []
    only(plan.warnings, "the 6 hours of train_max_hours cost USD 4.20 there")


def test_what_the_pods_that_are_there_cost_counts_too():
    """USD 4.20 for this one and 4.14 for the other."""
    other = pod(name="podyard-other-r1-0-1", usd_per_hour=0.69)
    only(planned(one(pods=[other], balance=8.0)).warnings, "USD 4.20 there, and the pods that are there USD 4.14")
    plan = planned(one(pods=[other], balance=9.0))
    assert plan.warnings == []
    assert "USD 9.00, and 1 pod there already for USD 0.69 an hour" in text_module.render(plan, 100)


def test_a_pod_that_is_stopped_is_not_counted_as_one_that_bills_its_gpu():
    there = [pod("p1", "other", usd_per_hour=1.0, billing="gpu"), pod("p2", "else", usd_per_hour=2.0, billing="disk")]
    assert planned(one(pods=there)).accounts[0].pods_usd_per_hour == 1.0


def test_the_dearest_offer_says_when_the_money_is_gone():
    cheap, dear = offer(provider="one"), offer(provider="one", price=0.99, cloud="COMMUNITY")
    plan = planned(one([cheap, dear]), clouds=["SECURE", "COMMUNITY"], max_cost=1.0)
    assert (plan.usd_per_hour_at_most, plan.hours_at_most) == (1.0, 1.0)


def test_a_machine_that_failed_lately_is_told_last(monkeypatch, tmp_path):
    market = [offer(provider="one"), offer(provider="one", price=0.75, cloud="COMMUNITY")]
    wanted: dict[str, Any] = {"clouds": ["SECURE", "COMMUNITY"]}
    assert planned(one(market), **wanted).offers[0].cloud == "SECURE"
    monkeypatch.setattr(market_module.BadHosts, "last", lambda self, offers: [*offers][::-1])
    assert planned(one(market), **wanted).offers[0].cloud == "COMMUNITY"


def test_an_account_that_may_not_spend_more_is_refused():
    cloud = one()
    cloud.spending = (79.31, 80.0)
    only(planned(cloud).problems, "spends USD 79.31 an hour and may spend USD 80.00")
    cloud.spending = (79.29, 80.0)
    assert planned(cloud).problems == []


def test_one_of_two_that_may_not_spend_more_is_a_warning():
    cloud = one(balance=5000.0)
    cloud.spending = (80.0, 80.0)
    plan = planned(cloud, Cloud("two", offers=[offer(provider="two", price=0.5)]))
    assert plan.problems == []
    only(plan.warnings, "The account of one spends USD 80.00 an hour")


def test_one_rich_account_of_two_is_enough():
    two = Cloud("two", offers=[offer(provider="two")], balance=0.1)
    plan = planned(one(), two)
    assert plan.problems == []
    only(plan.warnings, "leave it out of train_providers")


def test_an_unknown_balance_is_said_and_refuses_nothing():
    cloud = one(balance=None)
    plan = planned(cloud)
    assert plan.balance_usd is None and plan.problems == plan.warnings == []
    assert "one: unknown" in text_module.render(plan, 80)


def test_a_key_that_may_not_see_the_balance_is_good_for_renting():
    cloud = one().plan("account", errors.Forbidden("The key may not read the account."))
    plan = planned(cloud)
    assert plan.problems == [] and plan.accounts[0].note == "The key may not read the account."


def test_hours_that_end_the_run_before_its_data_is_there_are_refused(trees, tmp_path):
    """The image takes 160 s; 1 GB takes 800 s at 10 Mbit/s, and 160 s at the assumed 50."""
    with open(tmp_path / "data" / "large", "wb") as file:
        file.truncate(1_000_000_000)
    plan = planned(one(), max_hours=0.2, bandwidth=10.0, **trees)
    only(plan.problems, "(at 10 Mbit/s, as you say), and the limits end the run after 12 min")
    plan = planned(one(), max_hours=0.08, **trees)
    assert plan.problems == [], "by assumed figures nothing is refused"
    only(plan.warnings, "train_bandwidth says it better")


def test_a_cost_that_ends_the_run_before_its_hours_is_said():
    only(planned(one(), max_cost=1.4).warnings, "The USD 1.40 of train_max_cost pay 2 h of the first offer")


def test_a_run_without_a_limit_is_warned_of():
    only(planned(one(), max_hours=None).warnings, "Neither train_max_cost nor train_max_hours")


# -- the market
# ----------------------------------------------------------------------------------------------------------------------


def test_nothing_fits():
    plan = planned(one(), max_price=0.4)
    assert plan.offers == [] and plan.estimate is None
    assert len(plan.problems) == 1 and "0.69" in plan.problems[0]
    assert plan.problems[0] in _unwrapped(text_module.render(plan, 80))


def _unwrapped(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_a_setting_is_blamed():
    line = "RUNPOD_GPU_TYPE from .env as train_gpus"
    plan = planned(one(), gpus=["no such GPU"], settings=[line])
    assert plan.problems[0].endswith(f"What came from settings: {line}.")


def test_an_option_is_called_as_its_user_knows_it():
    line = "RUNPOD_STORAGE_NAME from .env as train_network_volume"
    cloud = one().plan("check", errors.BadRequest("There is no volume 'x' (option network_volume); name another."))
    plan = planned(cloud, settings=[line])
    only(plan.problems, "(option train_network_volume); name another. What came from settings: RUNPOD_STORAGE_NAME")


@pytest.mark.parametrize(
    ("volume", "text", "told"),
    [
        (None, "the option volume.size is 5", "the option train_volume_size is 5"),
        (
            "mine",
            "There is no volume 'mine' (option volume).",
            "There is no volume 'mine' (option train_network_volume).",
        ),
    ],
)
def test_a_volume_is_called_as_its_user_knows_it(volume, text, told):
    plan = planned(one())
    plan.pod.network_volume = volume
    assert checks.in_their_words(text, plan, AS_A_JOB) == told


def test_pods_that_are_tried_in_vain_are_told_beside_what_the_run_costs():
    def shown(**changes: Any) -> str:
        return " ".join(text_module.render(planned(one(), **changes), 120).split())

    assert "failed attempts cost extra" in shown(attempts=5)
    assert "failed attempts cost extra" not in shown(attempts=1)
    assert "failed attempts cost extra" not in shown(attempts=5, max_cost=1.0), "these are in the limit"


def test_an_option_with_the_name_of_a_job_gets_only_the_one_that_counts():
    plan = planned(one(), gpus=["no such GPU"])
    only(plan.problems, "There is no GPU 'no such GPU' (option train_gpus);")


def test_one_provider_that_is_down_is_said_and_the_other_used():
    two = Cloud("two").plan("list", errors.Unreachable("two does not answer."))
    plan = planned(one(), two)
    assert plan.problems == [] and len(plan.offers) == 1
    only(plan.warnings, "two is left out: two does not answer.")


def test_a_provider_that_refuses_the_key_is_not_down():
    two = Cloud("two").plan("account", errors.AuthError("two does not take this key."))
    assert planned(one(), two).problems == ["two does not take this key."]


def test_a_provider_that_is_down_is_waited_for_once():
    two = Cloud("two").plan("list", errors.Unreachable("two does not answer."))
    planned(one(), two)
    assert {verb for verb, _argument in two.calls} == {"list"}


def test_all_providers_down_is_a_refusal():
    plan = planned(one().plan("list", errors.Unreachable("one does not answer.")))
    assert plan.problems == ["one does not answer."]


def test_a_provider_without_a_key_is_a_refusal(monkeypatch):
    monkeypatch.setattr(registry, "key_origin", lambda name, environ, sources: None)
    options = wishes(providers=["one", "two"])

    def connect(name):
        if name == "two":
            raise errors.AuthError("There is no API key for two.")
        return one()

    market = market_module.ask(options, {}, connect, lambda line: None)
    plan = plan_module.build(options, market, plan_module.Trees())
    problems, _warnings = checks.judge(plan, market, [], AS_A_JOB)
    assert problems == ["There is no API key for two."]
    assert plan.credentials[1] == Credential("two", None, None)


def test_a_pod_that_can_be_taken_away_where_there_is_none():
    only(planned(one(), interruptible=True).problems, "one: there are none (option train_interruptible).")


def test_what_the_driver_refuses_of_the_request_is_refused_by_the_plan():
    cloud = one().plan("check", errors.BadRequest("The image has no name."))
    only(planned(cloud).problems, "The image has no name.")


def test_programs_that_the_wait_for_ssh_needs(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    only(planned(one()).problems, "needs ssh, ssh-keyscan, ssh-keygen on this machine")


# -- disk, CUDA, name
# ----------------------------------------------------------------------------------------------------------------------


def test_data_that_does_not_fit_is_refused(trees, tmp_path):
    with open(tmp_path / "data" / "large", "wb") as file:
        file.truncate(20_000_000_000)
    plan = planned(one(), **trees)
    only(plan.problems, "ask for a larger one (train_disk).")
    assert plan.disk.free_gb < 0
    assert planned(one(), **trees, volume_size=40).problems == []


def test_outputs_that_do_not_fit_are_refused_only_when_somebody_said_so(trees):
    only(
        planned(one(), disk=4, **trees).warnings,
        "5 GB, assumed, and the container's disk that will hold them has 4",
    )
    only(planned(one(), disk=4, output_gb=6.0, **trees).problems, "train_output_gb")
    assert planned(one(), disk=4, output_gb=1.0, **trees).warnings == []


def test_where_there_is_one_disk_both_sizes_are_its(trees):
    plan = planned(one(one_disk=True), disk=20, volume_size=30, **trees)
    assert (plan.disk.gb, plan.disk.kind) == (50, "container")
    assert planned(one(), disk=20, volume_size=30, **trees).disk.gb == 30


def test_the_size_of_a_network_volume_decides(trees, monkeypatch):
    cloud = one([offer(provider="one", price=0.69, regions={"EU-RO-1": "high"})])
    found = Reference("network_volume", "v1", "data", region="EU-RO-1", size_gb=10)
    monkeypatch.setattr(cloud, "find", lambda kind, reference: found)
    plan = planned(cloud, network_volume="data", **trees)
    assert (plan.disk.gb, plan.disk.kind) == (10, "network volume")
    assert plan.estimate.disk_usd_per_hour == 0.01


def test_an_image_that_no_host_on_offer_runs_is_refused():
    old = [offer(provider="one", cuda_versions=("12.4",))]
    only(
        planned(one(old), min_cuda_version=None).problems,
        "none of the hosts on offer has a driver for more than 12.4",
    )
    plan = planned(one(old), min_cuda_version="12.4")
    assert plan.problems == [], "somebody said that it runs there"
    only(plan.warnings, "allows hosts from 12.4 on")


def test_an_image_that_some_hosts_do_not_run_is_a_warning():
    mixed = [offer(provider="one", cuda_versions=("12.4", "12.9"))]
    only(planned(one(mixed), min_cuda_version=None).warnings, "set train_min_cuda_version: '12.8'")


def test_a_run_that_is_there(tmp_path):
    cloud = Cloud("one", pod(name=f"{IDENTITY}-1", provider="one"), offers=[])
    plan = planned(cloud)
    assert plan.run.state == "living" and plan.problems == []
    only(plan.warnings, f"The pod {IDENTITY}-1 (p1) on one is there already (running)")
    assert planned(Cloud("one", pod(name="podyard-other-r1-0-1"), offers=[offer(provider="one")])).run.state == "new"


@pytest.mark.parametrize(("proved", "state"), [(True, "ended"), (False, "unproved")])
@pytest.mark.foreign_records
def test_a_run_that_has_ended(tmp_path, proved, state):
    record = {"outcome": "succeeded", "pods": [{"id": "p1", "gone_proved": proved}]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    plan = planned(one(), run_directory=str(tmp_path))
    assert plan.run.state == state and plan.problems == [] and len(plan.warnings) == 1


def test_what_is_no_file_is_said_not_to_be_sent(trees, tmp_path):
    os.mkfifo(tmp_path / "data" / "pipe")
    only(planned(one(), **trees).warnings, "are not sent: pipe.")


def test_a_file_that_cannot_be_read(trees, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith("file"))
    plan = planned(one(), **trees)
    assert any("data/file cannot be read by this user" in problem for problem in plan.problems)


# -- how it looks
# ----------------------------------------------------------------------------------------------------------------------


def test_the_versions_of_several_hosts_are_a_range():
    mixed = [offer(provider="one", cuda_versions=("12.10", "12.9", "12.4"))]
    text = text_module.render(planned(one(mixed)), 80)
    assert " 12.4-12.10 " in text and "on the only offer that fits" in text


def test_hosts_of_which_some_run_the_image_are_not_counted_as_none():
    mixed = [offer(provider="one", cuda_versions=("12.9", "12.4"))]
    text = " ".join(text_module.render(planned(one(mixed), min_cuda_version=None), 120).split())
    assert "0 of 1 offers run it, 1 may" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_is_legible_at_this_width(trees, width):
    machine = offer(
        provider="two", cloud=None, region="SE", id="7", host="m1", reliability=0.991, disk_gb=500.0, hours_left=90.0
    )
    plan = planned(one(), Cloud("two", offers=[machine]), command="python train.py", **trees)
    text = text_module.render(plan, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    for words in (
        "A_KEY from the environment",
        "USD 50.00",
        "1 x RTX 4090",
        "SECURE",
        "0.700",
        "USD 4.20 for 6 h",
        "12.8.1",
    ):
        assert words in text, words
    assert ("99.1% up" in text) == (width >= 96)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "brings home all of the output, up to 20 GB"),
        ({"artifacts": ["*.pt", "x.bin"]}, "brings home *.pt, x.bin"),
        ({"artifacts_max_gb": 0}, "brings home nothing"),
    ],
)
def test_what_comes_home_is_shown(options, words):
    plan = planned(one(), command="python train.py", **{"artifacts": [], "artifacts_max_gb": 20.0, **options})
    assert words in " ".join(text_module.render(plan, 120).replace("│", " ").split())


def test_it_is_legible_without_rich(trees, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    text = text_module.render(planned(one(), **trees), 80)
    assert "1 x RTX 4090" in text and "│" not in text and "USD 4.20 for 6 h" in text


def test_what_is_assumed_warned_of_not_tried_and_limited_is_shown(trees):
    machine = offer(provider="one", cuda_versions=("12.4", "12.9"))
    dear = offer("L40S", provider="one", price=2.0, gpu_id="NVIDIA L40S")
    plan = planned(
        one([machine, dear]), gpus=["RTX 4090", "L40S"], max_price=0.8, min_cuda_version=None, attempts=5, **trees
    )
    text = " ".join(text_module.render(plan, 120).replace("│", " ").split())
    for words in (
        "assumed the image has 10 GB (train_image_gb)",
        "warning The image is built for CUDA 12.8.1",
        "not tried L40S on one exceeds the cap of USD 0.80",
        "limits USD 0.80 an hour, any cost, 6 h, 5 pods tried",
    ):
        assert words in text, words


def test_what_is_refused_stands_last():
    text = text_module.render(planned(one(balance=0.0)), 100)
    assert "│ REFUSED" in "\n".join(text.splitlines()[-4:])
