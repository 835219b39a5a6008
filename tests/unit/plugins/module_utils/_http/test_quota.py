# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that all who use a key may send together."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.quota import (
    GIVE_BACK,
    LOOK,
    MAKE,
    PROVE,
    RequestQuota,
    kind_of,
)
from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import Patience
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._http.shared_file import SharedFile
from ansible_collections.podyard.gpu.plugins.module_utils._module.common import open_provider
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect


def budget(time=None, url="https://api", key=KEY, **arguments):
    return RequestQuota("RunPod", url, key, clock=(time or FakeTime()).clock, **arguments)


def told(left, seconds=30, quota=60, hour="r=2900;t=1800"):
    return {
        "ratelimit": f'"minute";r={left};t={seconds}, "hour";{hour}',
        "ratelimit-policy": f'"minute";q={quota};w=60, "hour";q=3000;w=3600',
    }


def spend(budget, kind, most=1000):
    """How many requests go through at once."""
    return next(count for count in range(most) if budget.take(kind, 0.0)[1] > 0)


def test_verbs_say_what_a_request_is_for():
    kinds = {verb: kind_of(verb) for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}
    assert Counter(kinds.values()) == {LOOK: 2, MAKE: 3, GIVE_BACK: 1}
    assert (kinds["GET"], kinds["DELETE"]) == (LOOK, GIVE_BACK)
    assert (kind_of("GET", urgent=True), kind_of("DELETE", urgent=True)) == (PROVE, GIVE_BACK)


def test_while_nothing_is_told_sixty_a_minute_are_sent_with_a_reserve_for_what_matters():
    time = FakeTime()
    one, other = budget(time), budget(time)
    assert spend(one, LOOK) == 48
    assert spend(other, LOOK) == 0
    assert spend(other, MAKE) == 6
    assert spend(one, MAKE) == 0
    for kind in [PROVE] * 3 + [GIVE_BACK] * 3:
        one.take(kind, 0.0)
    assert time.slept == []


@pytest.mark.parametrize(("kind", "most"), [(GIVE_BACK, 17.0), (PROVE, 77.0)])
@pytest.mark.parametrize("why", ["refused for a day", "the day's requests are used up"])
def test_what_gives_money_back_is_sent_before_long_whatever_our_count_says(kind, most, why):
    time = FakeTime()
    shared = budget(time)
    moment, _short = shared.take(MAKE, 0.0)
    if why == "refused for a day":
        shared.learn(429, {"retry-after": "86000"}, moment)
    else:
        shared.learn(200, {"ratelimit": '"day";r=0;t=80000'}, moment)
    assert shared.take(LOOK, 120.0)[1] > 79_000.0
    assert shared.take(kind, 0.0)[1] == 0.0
    assert most - 2.0 <= sum(time.slept) <= most


def test_a_refusal_is_over_when_a_later_request_is_served():
    time = FakeTime()
    shared = budget(time)
    early = shared.take(LOOK, 0.0)[0]
    time.now += 0.1
    shared.learn(429, {"retry-after": "86000"}, shared.take(LOOK, 0.0)[0])
    shared.learn(200, {}, early)
    assert shared.take(LOOK, 120.0)[1] > 85_000.0
    shared.learn(200, {}, shared.take(GIVE_BACK, 0.0)[0])
    assert shared.take(LOOK, 0.0)[1] == 0.0


def test_of_a_large_quota_only_as_much_is_kept_as_giving_back_can_need():
    shared = budget()
    day = {"ratelimit": '"day";r=700;t=1', "ratelimit-policy": '"day";q=50000;w=86400'}
    shared.learn(200, day, shared.take(LOOK, 0.0)[0])
    assert spend(shared, MAKE, 1_000) == 700 - 60


def test_the_minute_is_counted_back_from_each_moment():
    time = FakeTime()
    shared = budget(time)
    assert spend(shared, LOOK) == 48
    time.now += 59.0
    assert shared.take(LOOK, 0.0)[1] == pytest.approx(1.0)
    time.now += 1.5
    assert spend(shared, LOOK) == 48


def test_accounts_do_not_share():
    time = FakeTime()
    spend(budget(time), LOOK)
    assert spend(budget(time, key="another"), LOOK) == 48
    assert spend(budget(time, url="https://elsewhere"), LOOK) == 48


def test_a_wait_is_as_long_as_it_must_be_and_is_told():
    time, lines = FakeTime(), []
    shared = budget(time)
    shared.tell = lines.append
    spend(shared, LOOK)
    time.now += 50.0
    assert shared.take(LOOK, 60.0)[1] == 0.0
    assert 10.0 <= sum(time.slept) <= 12.0
    assert shared.held_back == sum(time.slept)
    assert lines == ["Waiting 11 s before the next request to RunPod: up to 60 requests a minute are safe"]


def test_what_the_server_tells_takes_the_place_of_the_guess():
    time = FakeTime()
    shared = budget(time)
    moment, _short = shared.take(LOOK, 0.0)
    shared.learn(200, {"ratelimit": '"minute";r=5999;t=60', "ratelimit-policy": '"minute";q=6000;w=60'}, moment)
    assert spend(budget(time), LOOK, 4000) > 2900


def test_requests_on_their_way_are_not_counted_twice():
    time = FakeTime()
    shared = budget(time)
    moment, _short = shared.take(MAKE, 0.0)
    for _other in range(3):
        time.now += 0.1
        shared.take(MAKE, 0.0)
    shared.learn(200, told(10), moment)
    # Ten were left when the first was answered; three came after it, six are kept.
    assert spend(shared, MAKE) == 1


def test_an_empty_window_is_waited_out_by_all():
    time = FakeTime()
    one, other = budget(time), budget(time)
    one.learn(200, told(0, 44), one.take(LOOK, 0.0)[0])
    assert other.take(LOOK, 10.0)[1] == pytest.approx(44.0)
    assert other.take(LOOK, 60.0)[1] == 0.0
    assert 44.0 <= sum(time.slept) <= 46.0


def test_an_empty_hour_counts_like_an_empty_minute():
    shared = budget()
    shared.learn(200, told(50, hour="r=0;t=1812"), shared.take(LOOK, 0.0)[0])
    assert shared.take(MAKE, 120.0)[1] == pytest.approx(1812.0)


def test_what_ends_a_pod_waits_for_nobody_longer_than_moments():
    time = FakeTime()
    shared = budget(time)
    shared.learn(429, {"retry-after": "1812", **told(0, 44)}, shared.take(LOOK, 0.0)[0])
    assert shared.take(GIVE_BACK, 0.0)[1] == 0.0
    assert sum(time.slept) <= 17.0


def test_a_pause_that_the_server_asks_for_holds_for_all():
    time = FakeTime()
    one, other = budget(time), budget(time)
    one.learn(429, {"retry-after": "12"}, one.take(LOOK, 0.0)[0])
    assert other.take(MAKE, 5.0)[1] == pytest.approx(12.0)
    time.now += 12.0
    assert other.take(MAKE, 5.0)[1] == 0.0


def test_a_refusal_without_that_header_is_read_from_the_windows():
    shared = budget()
    shared.learn(429, {"ratelimit": '"minute";r=0;t=7'}, shared.take(LOOK, 0.0)[0])
    assert shared.take(LOOK, 1.0)[1] == pytest.approx(7.0)


def test_little_that_is_left_is_spread_over_the_time_that_is_left():
    time = FakeTime()
    shared = budget(time)
    shared.learn(200, told(24, 48), shared.take(LOOK, 0.0)[0])
    for _look in range(6):
        assert shared.take(LOOK, 60.0)[1] == 0.0
    # Twelve looks are free in 48 s: one in four seconds.
    assert time.slept == pytest.approx([4.2] * 6, abs=0.6)
    shared.take(MAKE, 0.0)
    assert len(time.slept) == 6


def test_a_window_begins_anew_after_its_reset():
    time = FakeTime()
    shared = budget(time)
    shared.learn(200, told(0, 10), shared.take(LOOK, 0.0)[0])
    time.now += 10.0
    assert spend(shared, MAKE) == 54


@pytest.mark.parametrize("header", ["", "nonsense", '"minute"', "minute;r=x;t=y", ";;;"])
def test_headers_that_cannot_be_read_change_nothing(header):
    shared = budget()
    shared.learn(200, {"ratelimit": header, "ratelimit-policy": header}, shared.take(LOOK, 0.0)[0])
    assert spend(shared, LOOK) == 47


def test_headers_without_quotes_and_policy_are_understood():
    shared = budget()
    shared.learn(200, {"ratelimit": "minute; r=176; t=20"}, shared.take(LOOK, 0.0)[0])
    assert spend(shared, MAKE) == 176 - 17


@pytest.mark.parametrize(
    "state",
    [
        {"sent": [1e9] * 60, "blocked": 1e9, "windows": {"minute": [60, 60, 0, 1e9]}},
        {"sent": "all", "blocked": "ever", "windows": [1]},
        {"sent": [-1e6] * 60, "blocked": -5, "windows": {"minute": [60, 60, 0, -1e6], "x": [1], "y": None}},
        {"sent": [None, "1"], "windows": {"minute": None}},
        {"windows": {"minute": [float("inf"), 60, 3, 1e300]}, "sent": [float("nan"), 10**400], "blocked": [0, 1e300]},
        {"windows": {"year": [100, 3e7, 0, 2e7]}, "blocked": [float("nan"), float("nan")]},
    ],
)
def test_a_file_from_another_time_or_another_hand_holds_nobody_up(state):
    shared = budget()
    SharedFile(f"budget-{shared.mark}").write(state)
    assert shared.take(LOOK, 0.0)[1] == 0.0


def test_nothing_secret_is_in_the_files(own_state):
    with Conversation(expect("GET", "/v2/pods").reply({"pods": []}, headers=told(50))) as api:
        ApiSession("RunPod", api.url, KEY).request("GET", "/v2/pods", attempted="look")
    files = list(own_state.iterdir())
    assert files
    for path in files:
        assert KEY not in path.name
        assert KEY not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
    content = json.loads(next(path for path in files if path.suffix == ".json").read_text())
    assert set(content) == {"sent", "windows", "blocked"}


def test_without_a_directory_the_count_is_the_tasks_own_and_that_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "file"))
    shared, lines = budget(), []
    shared.tell = lines.append
    assert spend(shared, LOOK) == 48
    assert len(lines) == 1
    assert "This task counts its requests to RunPod alone, without those of other tasks: " in lines[0]


def test_waits_are_jittered():
    slept = set()
    for seed in range(5):
        time = FakeTime()
        clock = replace(time.clock, spread=random.Random(seed).uniform)
        shared = RequestQuota("RunPod", f"https://{seed}", KEY, clock=clock)
        spend(shared, LOOK)
        shared.take(LOOK, 90.0)
        slept.add(sum(time.slept))
    assert len(slept) == 5


def test_a_session_does_not_send_what_would_have_to_wait_too_long():
    time = FakeTime()
    x = expect("GET", "/v2/x")
    with Conversation(x.reply({}, headers=told(0, 44))) as api:
        session = ApiSession("RunPod", api.url, KEY, clock=time.clock, patience=Patience(budget=20.0))
        session.request("GET", "/v2/x", attempted="look")
        with pytest.raises(errors.RateLimited) as caught:
            session.request("GET", "/v2/x", attempted="look")
    assert "used up for another 44 s. Nothing was sent." in caught.value.message
    assert caught.value.retry_after == pytest.approx(44.0)


def test_a_session_waits_before_it_is_refused():
    time = FakeTime()
    x = expect("GET", "/v2/x")
    with Conversation(x.reply({}, headers=told(0, 44)), x.reply({})) as api:
        session = ApiSession("RunPod", api.url, KEY, clock=time.clock)
        session.request("GET", "/v2/x", attempted="look")
        session.request("GET", "/v2/x", attempted="look")
    assert 44.0 <= sum(time.slept) <= 46.0


def test_an_urgent_look_takes_from_the_reserve():
    time = FakeTime()
    x = expect("GET", "/v2/x").reply({})
    with Conversation(x, x) as api:
        session = ApiSession("RunPod", api.url, KEY, clock=time.clock)
        spend(session.budget, MAKE)
        with session.urgently():
            session.request("GET", "/v2/x", attempted="prove")
            session.request("GET", "/v2/x", attempted="prove")
    assert time.slept == []


MANY = """
import sys
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import RateLimited
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import Patience
api = ApiSession("RunPod", sys.argv[1], sys.argv[2], patience=Patience(budget=0.0))
sent = 0
for _look in range(20):
    try:
        api.request("GET", "/v2/pods", attempted="look")
        sent += 1
    except RateLimited:
        pass
print(sent)
"""


def test_five_processes_at_once_have_one_budget():
    """A hundred looks in real processes; what may be sent in a minute is sent, and not one more."""
    x = expect("GET", "/v2/pods").reply({"pods": []})
    with Conversation(*[x] * 48) as api:
        argv = [sys.executable, "-c", MANY, api.url, KEY]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ) for _process in range(5)]
        sent = [int(process.communicate()[0]) for process in processes]
    assert sum(sent) == 48


def test_a_module_shows_what_it_waits_for_where_it_shows_its_progress(tmp_path):
    warned, lines = [], tmp_path / "lines"
    account = {"api_key": KEY, "api_url": "http://127.0.0.1:1"}
    for params in (account, {**account, "progress_file": str(lines)}):
        provider = open_provider(SimpleNamespace(params=params, warn=warned.append), "runpod")
        provider._api.budget.tell("Waiting 9 s")
    assert (warned, lines.read_text()) == (["Waiting 9 s"], "Waiting 9 s\n")
