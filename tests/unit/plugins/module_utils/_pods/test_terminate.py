# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending pods and proving that they are gone."""

from __future__ import annotations

import json
import time as time_module

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger as ledger_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.terminate import (
    give_back_run,
    pods_of_run,
    require_gone,
    terminate_and_prove,
)
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import (
    IDENTITY,
    PREFIX,
    RUN,
    FakeCloud,
    FakeTime,
    Lines,
    pod,
)


def end(cloud, pods, time=None, **arguments):
    time = time or FakeTime()
    return terminate_and_prove(cloud, pods, polls=time.polls(), progress=Lines(), **arguments)


def test_gone_is_proved_by_two_absences():
    cloud = FakeCloud(pod("p1"), pod("p2", "other"))
    (result,) = end(cloud, [cloud.pods["p1"]])
    assert result["gone_proved"] is True
    assert result["gone_at"].endswith("Z")
    assert (result["id"], result["name"], result["provider"], result["usd_per_hour"]) == (
        "p1", f"{IDENTITY}-1", "fake", 0.69,
    )  # fmt: skip
    assert result["reason"] is None
    assert (cloud.count("terminate"), cloud.count("get"), cloud.count("list")) == (1, 2, 2)
    assert list(cloud.pods) == ["p2"]
    assert json.loads(json.dumps(result)) == result


def test_nothing_to_end_asks_nothing():
    cloud = FakeCloud()
    assert end(cloud, []) == []
    assert cloud.calls == []


def test_several_pods_share_the_lists():
    cloud = FakeCloud(*[pod(f"p{number}") for number in range(3)])
    results = end(cloud, list(cloud.pods.values()))
    assert all(result["gone_proved"] for result in results)
    assert cloud.count("list") == 2


def test_a_pod_that_is_seen_once_more_starts_the_proof_anew():
    one = pod("p1")
    cloud = FakeCloud(one).plan("list", [], [one], [], [])
    (result,) = end(cloud, [one])
    assert result["gone_proved"]
    assert cloud.count("list") == 4


def test_absent_from_the_list_alone_is_no_proof():
    one = pod("p1")
    cloud = FakeCloud().plan("get", one, one)
    end(cloud, [one])
    assert cloud.count("list") == 4


@pytest.mark.parametrize("shown", [{"phase": "gone", "raw_status": "TERMINATED"}])
def test_a_pod_that_is_shown_as_ended_is_absent(shown):
    one = pod("p1", **shown)
    cloud = FakeCloud(one).plan("terminate", True)
    (result,) = end(cloud, [one])
    assert result["gone_proved"]


def test_an_error_is_never_an_absence():
    one = pod("p1")
    cloud = FakeCloud(one).plan("list", None, errors.ServerError("502"), errors.RateLimited("429"), None, None)
    cloud.plan("get", None, errors.BadAnswer("empty"))
    (result,) = end(cloud, [one])
    assert result["gone_proved"]
    assert cloud.count("list") == 6


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Forbidden])
@pytest.mark.parametrize("verb", ["terminate", "list", "get"])
def test_a_refused_key_proves_nothing_and_is_not_asked_again(kind, verb):
    one, time = pod("p1"), FakeTime()
    cloud = FakeCloud(one).plan(verb, *[kind("refused")] * 99)
    (result,) = end(cloud, [one], time)
    assert result["gone_proved"] is False
    assert result["reason"] == "refused"
    assert sum(time.slept) < 30


def test_a_pod_that_does_not_end_is_said_after_the_patience():
    one, time = pod("p1"), FakeTime()
    cloud = FakeCloud(one).plan("terminate", *[True] * 99)
    (result,) = end(cloud, [one], time, patience=60.0)
    assert result["gone_proved"] is False
    assert "still there after 1 min" in result["reason"]
    assert 60 <= sum(time.slept) <= 61
    assert 3 <= cloud.count("terminate") <= 4


def test_an_order_that_was_refused_is_given_again():
    one = pod("p1")
    cloud = FakeCloud(one).plan("terminate", errors.ServerError("502"), errors.Conflict("not now"))
    (result,) = end(cloud, [one])
    assert result["gone_proved"]
    assert cloud.count("terminate") == 3


def test_of_a_pod_made_moments_ago_no_such_pod_is_not_believed():
    one, time = pod("p1"), FakeTime()
    cloud = FakeCloud()
    appears = time.now + 20

    def terminate(pod_id):
        if time.now >= appears and not cloud.made:
            cloud.made = 1
            return True
        return False

    cloud.plan("terminate", *[terminate] * 99)
    (result,) = end(cloud, [one], time, settle=60.0)
    assert result["gone_proved"]
    assert cloud.made == 1
    assert sum(time.slept) < 60


def test_of_a_pod_made_moments_ago_no_such_pod_is_believed_after_the_grace():
    time = FakeTime()
    (result,) = end(FakeCloud(), [pod("p1")], time, settle=60.0)
    assert result["gone_proved"]
    assert 60 <= sum(time.slept) <= 70


def test_the_first_looks_are_quick_and_the_later_ones_polite():
    one, time = pod("p1"), FakeTime()
    cloud = FakeCloud(one).plan("terminate", *[True] * 99)
    end(cloud, [one], time, patience=60.0)
    assert time.slept[:4] == [2.0] * 4
    assert time.slept[4:8] == [5.0] * 4


def test_what_is_gone_is_in_the_ledger(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(ledger_module.CREATING, f"{IDENTITY}-1", "fake")
    cloud = FakeCloud(pod("p1"))
    end(cloud, [pod("p1")], ledger=ledger)
    assert [event["event"] for event in ledger.read()] == ["creating", "gone"]
    assert ledger.pending() == []


def test_a_ledger_that_cannot_be_written_does_not_hide_the_proof(tmp_path):
    (tmp_path / "file").write_text("")
    cloud = FakeCloud(pod("p1"))
    (result,) = end(cloud, [pod("p1")], ledger=Ledger(tmp_path / "file" / "run"))
    assert result["gone_proved"]


def test_what_is_not_proved_gone_is_said_with_everything_a_person_needs():
    cloud = FakeCloud(pod("p1"), pod("p2", "x")).plan("terminate", *[errors.AuthError("The key was refused.")] * 2)
    results = end(cloud, list(cloud.pods.values()))
    with pytest.raises(errors.NotProvedGone) as caught:
        require_gone(cloud, results)
    for words in ("p1", "p2", "on fake", "USD 0.69 per hour", "fake end p1", "The key was refused"):
        assert words in str(caught.value)
    assert caught.value.facts["pods_gone"] == results
    require_gone(cloud, [])


# -- giving back a whole run


def give_back(cloud, time=None, ledger=None, **arguments):
    time = time or FakeTime()
    return give_back_run(cloud, PREFIX, polls=time.polls(), progress=Lines(), ledger=ledger, **arguments)


FOREIGN = (
    pod("f1", "notebook"),
    pod("f2", f"podyard-digits-{RUN}x-0-1"),
    pod("f3", f"podyard-digits-{RUN}-0"),
    pod("f4", f"podyard-my-digits-{RUN}-0-1"),
    pod("f5", f"{PREFIX}by hand"),
)


def test_only_the_runs_own_pods_are_ended():
    mine = (pod("p1", f"{PREFIX}0-1"), pod("p2", f"{PREFIX}0-2"), pod("p3", f"{PREFIX}1-1", phase="stopped"))
    cloud = FakeCloud(*mine, *FOREIGN)
    assert [result["id"] for result in pods_of_run(cloud, PREFIX)] == ["p1", "p2", "p3"]
    results = give_back(cloud)
    assert {result["id"] for result in results} == {"p1", "p2", "p3"}
    assert all(result["gone_proved"] for result in results)
    assert set(cloud.pods) == {"f1", "f2", "f3", "f4", "f5"}


def test_nothing_left_is_found_at_once():
    time = FakeTime()
    assert give_back(FakeCloud(*FOREIGN), time) == []
    assert time.slept == []


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Unreachable, errors.BadAnswer, errors.Blocked])
def test_a_list_that_cannot_be_had_is_not_nothing_left(kind):
    with pytest.raises(kind):
        give_back(FakeCloud().plan("list", kind("no")))


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Unreachable, errors.ServerError, errors.RateLimited])
@pytest.mark.parametrize("answer", [None, errors.ServerError("no")])
def test_without_a_list_the_known_pods_are_told_to_end_all_the_same(tmp_path, kind, answer):
    ledger, cloud = Ledger(tmp_path), FakeCloud(pod("p1", f"{PREFIX}0-1"), *FOREIGN)
    ledger.write(ledger_module.CREATED, f"{PREFIX}0-1", "fake", pod_id="p1", usd_per_hour=0.69)
    cloud.plan("list", kind("no list")).plan("terminate", answer)
    with pytest.raises(kind, match="no list"):
        give_back(cloud, ledger=ledger)
    assert [argument for verb, argument in cloud.calls if verb == "terminate"] == ["p1"]
    assert ledger.read()[-1]["event"] == ledger_module.CREATED


@pytest.mark.parametrize("event", [None, ledger_module.AMBIGUOUS])
def test_a_pod_that_turns_up_late_is_found(tmp_path, event):
    ledger, time, cloud = Ledger(tmp_path), FakeTime(), FakeCloud()
    ledger.write(ledger_module.CREATING, f"{PREFIX}0-1", "fake")
    if event:
        ledger.write(event, f"{PREFIX}0-1", "fake")
    late = pod("p1", f"{PREFIX}0-1")

    def listing(_argument):
        if time.now >= 1030 and not cloud.count("terminate"):
            cloud.pods["p1"] = late
        return [*cloud.pods.values()]

    cloud.plan("list", *[listing] * 99)
    (result,) = give_back(cloud, time, ledger)
    assert result["gone_proved"]
    assert cloud.pods == {}
    assert ledger.pending() == []


def test_a_create_that_never_became_a_pod_is_looked_for_until_the_grace_is_over(tmp_path):
    ledger, time = Ledger(tmp_path), FakeTime()
    ledger.write(ledger_module.CREATING, f"{PREFIX}0-1", "fake")
    ledger.write(ledger_module.CREATING, "podyard-other-r9-0-1", "fake")
    cloud = FakeCloud()
    assert give_back(cloud, time, ledger, grace=60.0) == []
    assert 60 <= sum(time.slept) <= 70
    assert [event["name"] for event in ledger.pending()] == ["podyard-other-r9-0-1"]
    time.slept.clear()
    assert give_back(cloud, time, ledger) == []
    assert time.slept == []


def test_a_fresh_pod_that_is_not_listed_yet_is_ended_by_its_id(tmp_path):
    ledger, time, cloud = Ledger(tmp_path), FakeTime(), FakeCloud()
    ledger.write(ledger_module.CREATING, f"{PREFIX}0-1", "fake")
    ledger.write(ledger_module.CREATED, f"{PREFIX}0-1", "fake", pod_id="p1", usd_per_hour=0.69)
    cloud.plan("terminate", False, False, True)
    (result,) = give_back(cloud, time, ledger)
    assert (result["id"], result["gone_proved"], result["usd_per_hour"]) == ("p1", True, 0.69)
    assert cloud.count("terminate") == 3


def test_a_pod_that_its_host_lost_is_proved_gone(tmp_path):
    """The list shows it no longer, long after it was made; the ledger knows it, so its absence is proved as well."""
    ledger, time, cloud = Ledger(tmp_path), FakeTime(), FakeCloud()
    ledger.write(ledger_module.CREATED, f"{PREFIX}0-1", "fake", pod_id="p1", gpu="RTX 4090", usd_per_hour=0.69)
    path = tmp_path / ledger_module.FILE
    old = time_module.strftime("%Y-%m-%dT%H:%M:%SZ", time_module.gmtime(time_module.time() - 3600))
    event = {**json.loads(path.read_text()), "time": old}
    path.write_text(json.dumps(event) + "\n")
    (result,) = give_back(cloud, time, ledger)
    assert (result["id"], result["gone_proved"], result["usd_per_hour"]) == ("p1", True, 0.69)
    assert cloud.count("get") == 2
    assert sum(time.slept) < 10, "an old pod's absence is believed without the grace of a young one"
    assert give_back(cloud, time, ledger) == []


def test_what_is_not_proved_gone_is_among_the_results():
    cloud = FakeCloud(pod("p1")).plan("terminate", *[errors.AuthError("no")] * 9)
    (result,) = give_back(cloud)
    assert result["gone_proved"] is False


# -- providers whose pods may come back


def watching(cloud, seconds=60.0):
    cloud.capabilities = Capabilities(watched=seconds)
    return cloud


def test_an_ended_pod_must_stay_away_for_as_long_as_the_provider_says():
    time = FakeTime()
    one = pod("p1")
    (result,) = end(watching(FakeCloud(one)), [one], time)
    assert result["gone_proved"] is True
    assert 60 <= sum(time.slept) <= 75


def test_a_pod_that_comes_back_within_that_time_is_ended_again():
    one = pod("p1")
    cloud = watching(FakeCloud(one)).plan("list", *[[]] * 6, [one])
    (result,) = end(cloud, [one])
    assert result["gone_proved"] is True
    assert cloud.count("terminate") == 2


def test_one_that_comes_back_for_ever_is_told():
    one = pod("p1")
    cloud = watching(FakeCloud(one)).plan("list", *[[], [], [], [one]] * 30)
    (result,) = end(cloud, [one], patience=120.0)
    assert result["gone_proved"] is False
