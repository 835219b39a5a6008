# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pod_termination."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.modules import pod_termination
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

MINE = examples.pod(id="p1", name="podyard-digits-r1-0-1")
FOREIGN = examples.pod(id="p9", name="podyard-digits-r2-0-1")
LIST = expect("GET", "/v2/pods")
BOTH, REST = LIST.reply({"pods": [MINE, FOREIGN]}), LIST.reply({"pods": [FOREIGN]})
GONE = expect("GET", "/v2/pods/p1").problem(404, "resource not found")
END = expect("DELETE", "/v2/pods/p1").reply(status=204)


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="give_back")
def giving_back(module, tmp_path):
    def give_back(*script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            return how(
                pod_termination.main,
                check,
                project="digits",
                run_id="r1",
                run_dir=str(tmp_path / "run"),
                poll_interval=0.01,
                api_key=KEY,
                api_url=api.url,
                **options,
            )

    return give_back


def test_the_runs_pods_are_ended_and_proved_gone(give_back, module, tmp_path):
    result = give_back(BOTH, END, REST, GONE, REST, GONE)
    (pod,) = result["pods"]
    assert result["changed"] is True
    assert (pod["id"], pod["gone_proved"], pod["reason"]) == ("p1", True, None)
    assert result["diff"] == {"before": {"pods": ["podyard-digits-r1-0-1"]}, "after": {"pods": []}}
    assert fence.is_raised(tmp_path / "run")
    assert [event["event"] for event in Ledger(tmp_path / "run").read()] == ["gone"]
    assert KEY not in module.printed
    again = give_back(REST)
    assert (again["changed"], again["pods"]) == (False, [])


def test_check_mode_ends_nothing(give_back, tmp_path):
    result = give_back(BOTH, check=True)
    assert result["changed"] is True
    assert [pod["gone_proved"] for pod in result["pods"]] == [False]
    assert not (tmp_path / "run").exists()
    assert give_back(REST, check=True)["changed"] is False


def test_a_pod_that_is_not_proved_gone_fails_the_task(give_back):
    refused = expect("DELETE", "/v2/pods/p1").problem(403, "access denied")
    result = give_back(BOTH, refused, failing=True)
    for words in ("NOT PROVED GONE", "p1", "USD 0.69 per hour", "access denied", "curl -X DELETE"):
        assert words in result["msg"]
    assert [(pod["id"], pod["gone_proved"]) for pod in result["pods"]] == [("p1", False)]


def test_a_list_that_cannot_be_had_fails_the_task(give_back):
    result = give_back(LIST.problem(401, "invalid api key"), failing=True)
    assert result["failure"]["kind"] == "AuthError"
    assert result["pods"] == []


def test_progress_is_written(give_back, tmp_path):
    progress = tmp_path / "progress"
    give_back(BOTH, END, REST, GONE, REST, GONE, progress_file=str(progress))
    assert "is gone: absent 2 times" in progress.read_text()


class Elsewhere:
    """Two providers, of which each has one pod of the run, or an error in its place."""

    def __init__(self, monkeypatch, **errors_of):
        self.ended, self.errors_of = [], errors_of
        monkeypatch.setattr(pod_termination, "open_provider", self.connect)
        monkeypatch.setattr(pod_termination, "give_back_run", self.end)

    def connect(self, _module, name, given=None):
        return SimpleNamespace(name=name, given=given, end_command=f"end it at {name}".format)

    def end(self, provider, _prefix, **_options):
        if provider.name in self.errors_of:
            raise self.errors_of[provider.name]
        self.ended.append((provider.name, provider.given))
        pod = {"provider": provider.name, "id": "p1", "name": "podyard-digits-r1-0-1", "usd_per_hour": 0.4}
        return [{**pod, "gone_proved": True, "gone_at": None, "reason": None}]


RUN_OF_TWO = {"project": "digits", "run_id": "r1"}


def test_all_for_which_there_is_a_key_are_asked(module, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("VAST_API_KEY", "0" * 64)
    both = Elsewhere(monkeypatch)
    module.run(pod_termination.main, False, **RUN_OF_TWO)
    assert [name for name, _given in both.ended] == ["runpod", "vastai"]


def test_no_key_at_all_is_not_nothing_there(module, monkeypatch, tmp_path):
    for name in ("RUNPOD_API_KEY", "VAST_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = module.fail(pod_termination.main, False, **RUN_OF_TWO)
    assert "RUNPOD_API_KEY" in result["msg"] and "VAST_API_KEY" in result["msg"]


def test_where_a_pod_may_be_by_the_record_is_asked_whatever_was_named(module, monkeypatch, tmp_path):
    ledger = Ledger(tmp_path / "run")
    ledger.write("created", "podyard-digits-r1-0-1", "vastai", pod_id="7")
    ledger.write("created", "podyard-other-r9-0-1", "vastai", pod_id="8")
    both = Elsewhere(monkeypatch)
    options = {**RUN_OF_TWO, "run_dir": str(tmp_path / "run"), "providers": ["runpod"], "api_key": KEY}
    module.run(pod_termination.main, False, **options)
    assert both.ended == [("runpod", None), ("vastai", {"api_key": None, "api_url": None})], "each with its own key"
    ledger.write("gone", "podyard-digits-r1-0-1", "vastai", pod_id="7")
    both.ended.clear()
    module.run(pod_termination.main, False, **options)
    assert [name for name, _given in both.ended] == ["runpod"]


def test_a_provider_that_is_down_keeps_no_pod_of_another(module, monkeypatch):
    both = Elsewhere(monkeypatch, runpod=errors.Unreachable("RunPod was not reached."))
    result = module.fail(pod_termination.main, False, **RUN_OF_TWO, providers=["runpod", "vastai"])
    assert [name for name, _given in both.ended] == ["vastai"]
    assert result["msg"] == "RunPod was not reached."
    assert [(pod["provider"], pod["gone_proved"]) for pod in result["pods"]] == [("vastai", True)]
