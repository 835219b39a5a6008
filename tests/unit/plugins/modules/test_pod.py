# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pod: what its options mean at each provider, and bad input."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Reference
from ansible_collections.podyard.gpu.plugins.module_utils._module.pod import ARGUMENTS, OWN
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.modules import pod as module_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import IMAGE, KEY, offer
from ansible_collections.podyard.gpu.tests.unit.fakes.group_world import Cloud
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

SECRET = "hf_averysecrettoken"
RENT = {
    "name": "x",
    "image": IMAGE,
    "gpus": ["4090"],
    "public_keys": [KEY],
    "wait_for": "addressed",
    "poll_interval": 0.001,
    "consistency_grace": 0,
}


class Market:
    """Both providers in memory, under their own names and with their own capabilities."""

    def __init__(self, monkeypatch, module):
        self.module = module
        machine = offer(cloud=None, region="SE", disk_gb=900, id="o1", host="m1", usd_per_hour=0.5)
        machine = replace(machine, hours_left=100.0)
        self.runpod = self._cloud("runpod", offer())
        self.vastai = self._cloud("vastai", machine)
        self.runpod.usual_clouds = ("SECURE",)
        self.given = {}
        monkeypatch.setattr(registry, "connect", self._connect)
        for name in ("RUNPOD_API_KEY", "VAST_API_KEY"):
            monkeypatch.setenv(name, f"{name.lower()}_value")

    def _cloud(self, name, *offers):
        cloud = Cloud(name, *offers)
        cloud.capabilities = replace(registry.capabilities(name), watched=0.0)
        return cloud

    def _connect(self, name, *, api_key=None, api_url=None):
        self.given[name] = (api_key, api_url)
        return getattr(self, name)

    def ensure(self, check=False, **options):
        return self.module.run(module_pod.main, check, **{**RENT, **options})

    def fails(self, words, **options):
        result = self.module.fail(module_pod.main, **{**RENT, **options})
        assert words in result["msg"], result["msg"]
        assert SECRET not in self.module.printed
        return result

    def request(self, name):
        """The one create at this provider."""
        [request] = [asked for verb, asked in getattr(self, name).calls if verb == "create"]
        return request

    def creates(self):
        return [name for name in ("runpod", "vastai") for verb, _asked in getattr(self, name).calls if verb == "create"]


@pytest.fixture(name="market")
def made_market(capsys, tmp_path, monkeypatch):
    return Market(monkeypatch, Runner(capsys, tmp_path))


def only(name):
    return {"providers": [name]}


def test_rented_and_again(market):
    result = market.ensure()
    assert result["changed"]
    assert market.creates() == ["vastai"]
    assert result["pod"]["provider"] == "vastai"
    assert result["pods"] == [result["pod"]]
    assert [each["outcome"] for each in result["attempts"]] == ["rented"]
    again = market.ensure()
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"]
    ended = market.ensure(state="absent")
    assert (ended["pod"], ended["pods"]) == (None, [])
    assert [each["gone_proved"] for each in ended["pods_gone"]] == [True]


def test_every_own_option_is_an_option_of_the_providers_module():
    assert set(OWN) == set(registry.names())
    assert all(set(options) & {"api_key", "api_url"} for options in OWN.values())
    assert ARGUMENTS["name"]["required"] is True


# -- which providers


def test_those_with_a_key_are_asked(market, monkeypatch):
    monkeypatch.delenv("VAST_API_KEY")
    market.ensure()
    assert list(market.given) == ["runpod"]


def test_a_key_in_the_options_is_one(market, monkeypatch):
    monkeypatch.delenv("VAST_API_KEY")
    market.ensure(vastai={"api_key": "k", "api_url": "http://127.0.0.1:1"})
    assert market.given == {"runpod": (None, None), "vastai": ("k", "http://127.0.0.1:1")}


def test_without_any_key_all_places_are_named(market, monkeypatch):
    for name in ("RUNPOD_API_KEY", "VAST_API_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")
    market.fails("RUNPOD_API_KEY or VAST_API_KEY")


def test_the_common_key_is_for_one_provider(market):
    market.ensure(api_key="k", **only("runpod"))
    assert market.given == {"runpod": ("k", None)}
    market.fails("but several are asked", api_key="0123456789")


# -- what the options mean where


def test_a_volume_is_a_disk_of_its_own_or_a_larger_one(market):
    wish = {"disk": 30, "volume": {"size": 50, "path": "/my data"}}
    market.ensure(**wish, **only("runpod"))
    market.ensure(state="absent")
    market.ensure(**wish, **only("vastai"))
    there, here = market.request("runpod"), market.request("vastai")
    assert (there.disk_gb, there.volume.size_gb, there.volume.path, there.onstart) == (30, 50, "/my data", None)
    assert (here.disk_gb, here.volume, here.onstart) == (80, None, "mkdir -p '/my data'")


def test_memory_and_processors_are_for_the_whole_pod(market):
    market.runpod.catalogue = [replace(market.runpod.catalogue[0], gpu_count=4)]
    market.ensure(min_memory=100, min_vcpus=30, gpu_count=4, **only("runpod"))
    request = market.request("runpod")
    assert (request.min_ram_per_gpu, request.min_vcpu_count_per_gpu) == (25, 8)
    [query] = [asked for verb, asked in market.runpod.calls if verb == "offers"]
    assert (query.min_ram_gb, query.min_vcpus) == (100, 30)


def test_each_has_its_own_image_and_template(market):
    market.runpod.find = lambda kind, reference: Reference(kind, f"id-of-{reference}", image="i", ports=("22/tcp",))
    own = {"runpod": {"template": "mine"}, "vastai": {"image": "other:1"}}
    market.ensure(**own, **only("runpod"))
    assert (market.request("runpod").image, market.request("runpod").template_id) == (None, "id-of-mine")
    market.ensure(state="absent")
    market.ensure(**own, **only("vastai"))
    assert (market.request("vastai").image, market.request("vastai").template_id) == ("other:1", None)


def test_a_provider_without_the_template_is_left_out(market):
    def unknown(kind, reference):
        raise errors.BadRequest(f"There is no {kind} {reference!r}.")

    market.vastai.find = unknown
    market.runpod.find = lambda kind, reference: Reference(kind, "t1", ports=("22/tcp",))
    result = market.ensure(template="mine", image=None)
    assert market.creates() == ["runpod"]
    assert any("vastai is left out" in note and "'mine'" in note for note in result["notes"])
    market.runpod.find = unknown
    market.fails("There is no template 'mine'", template="mine", image=None, name="y")


def test_text_for_the_start_is_for_vastai_alone(market):
    result = market.ensure(onstart="touch /tmp/x")
    assert market.request("vastai").onstart == "touch /tmp/x"
    assert any("runpod is left out" in note and "onstart" in note for note in result["notes"])
    market.fails("onstart", onstart="touch /tmp/x", **only("runpod"))


def test_text_that_only_vastai_gets_leaves_runpod_in(market):
    market.vastai.catalogue = []
    result = market.ensure(vastai={"onstart": "touch /tmp/x"})
    assert market.creates() == ["runpod"]
    assert not any("runpod is left out" in note for note in result["notes"])


def test_a_start_command_would_take_vastais_ssh_away(market):
    result = market.ensure(args="sleep infinity")
    assert market.creates() == ["runpod"]
    assert any("vastai is left out" in note and "option args" in note for note in result["notes"])
    market.ensure(state="absent")
    market.ensure(args="sleep infinity", wait_for="running", **only("vastai"))
    assert market.request("vastai").args == "sleep infinity"


def test_the_start_command_that_sets_up_ssh_is_for_runpod(market):
    market.ensure(image="python:3", **only("runpod"))
    market.ensure(state="absent")
    market.ensure(image="python:3", **only("vastai"))
    assert bootstrap.is_wrapped(market.request("runpod").args)
    assert market.request("vastai").args is None


def test_what_may_be_taken_away_is_for_vastai(market):
    market.vastai.catalogue = [replace(each, interruptible=True, min_bid=0.2) for each in market.vastai.catalogue]
    result = market.ensure(interruptible=True)
    assert market.request("vastai").bid == 0.2
    assert any("runpod is left out" in note and "spot" in note for note in result["notes"])
    market.fails("spot", interruptible=True, **only("runpod"))


def test_own_options_go_to_their_provider(market):
    market.vastai.filters = lambda given: {"searched": given}
    market.ensure(vastai={"runtype": "proxy", "search": "gpu_ram>=24"}, **only("vastai"))
    assert market.request("vastai").extra["runtype"] == "proxy"
    [query] = [asked for verb, asked in market.vastai.calls if verb == "offers"]
    assert query.filters == {"searched": "gpu_ram>=24"}
    market.ensure(state="absent")
    market.runpod.start_command = lambda entrypoint, cmd: " ".join(cmd)
    market.ensure(runpod={"cmd": ["sleep", "9"], "start_jupyter": True}, **only("runpod"))
    assert market.request("runpod").start_jupyter is True


def test_the_environment_is_secret_and_reaches_the_pod(market):
    market.ensure(env={"HF_TOKEN": SECRET, "N": 3})
    assert market.request("vastai").env == {"HF_TOKEN": SECRET, "N": "3"}
    assert SECRET not in market.module.printed


def test_the_environments_settings_are_for_new_pods_of_their_provider(market, monkeypatch):
    monkeypatch.setenv("RUNPOD_CONTAINER_DISK_GB", "77")
    market.ensure(**only("runpod"))
    assert market.request("runpod").disk_gb == 77
    market.ensure(state="absent")
    market.ensure(**only("vastai"))
    assert market.request("vastai").disk_gb == 20
    market.ensure(state="absent")
    market.runpod.calls.clear()
    market.ensure(settings=False, **only("runpod"))
    assert market.request("runpod").disk_gb == 20


def test_bad_hosts_are_kept_in_the_state_directory(market, own_state):
    market.ensure()
    result = market.ensure(state="absent", condemned="no driver")
    assert any(str(own_state / "bad-hosts.json") in note for note in result["notes"])
    assert os.stat(own_state / "bad-hosts.json").st_mode & 0o777 == 0o600
    market.ensure()
    assert market.creates() == ["runpod", "vastai"]


def test_a_file_of_ones_own_for_bad_hosts(market, tmp_path):
    market.ensure()
    market.ensure(state="absent", condemned="no driver", bad_hosts_file=str(tmp_path / "mine" / "bad.json"))
    assert (tmp_path / "mine" / "bad.json").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "option count is 0"),
        ({"count": 2, "name": "podyard-d-r-0"}, "belongs to one pod of a run"),
        ({"count": 2, "name": "podyard-d-r-0-1"}, "belongs to one pod of a run"),
        ({"bid": 0.2}, "only interruptible pods have a bid"),
        ({"bid": 0.2, "interruptible": False}, "only interruptible pods have a bid"),
        ({"condemned": "x"}, "needs state absent"),
        ({"deadline": 0}, "option deadline is 0"),
        ({"attempts": 0}, "option attempts is 0"),
        ({"max_price": 0}, "option max_price is 0"),
        ({"timeouts": {"rented": 0}}, "timeouts.rented is 0"),
        ({"providers": []}, "empty list"),
        ({"network_volume": {"id": "a", "name": "b"}}, "give exactly one of them"),
        ({"args": "x", "runpod": {"cmd": ["y"]}, "providers": ["runpod"]}, "args and cmd"),
    ],
)
def test_bad_input_is_one_sentence_before_any_request(market, options, words):
    result = market.fails(words, **options)
    assert "\n" not in result["msg"]
    assert market.runpod.calls + market.vastai.calls == []


def test_without_a_wish_for_a_gpu_nothing_is_rented(market):
    market.fails("say which GPUs will do (option gpus", gpus=[])
    assert market.creates() == []


@pytest.mark.parametrize("wish", [{"min_gpu_memory": 20}, {"min_compute_capability": 8.0}])
def test_memory_or_capability_is_a_wish(market, wish):
    market.vastai.catalogue = [replace(each, compute_capability=8.9) for each in market.vastai.catalogue]
    assert market.ensure(gpus=[], **wish)["changed"]


def test_a_wish_of_nothing_is_nothing():
    assert PodSpec().query().interruptible is False


def test_a_path_for_a_key_is_told_before_the_private_key_is_held_against_it(market, tmp_path):
    private = tmp_path / "key"
    private.write_text("not read")
    words = "Nothing was rented or changed: the option public_keys has an entry that is not a public SSH key"
    market.fails(words, public_keys=["~/.ssh/id.pub"], wait_for="ready", private_key_file=str(private))


def test_what_both_say_alike_is_said_once(market):
    result = market.fails("without a public key", public_keys=[], wait_for="port_open")
    assert result["msg"].count("without a public key") == 1
