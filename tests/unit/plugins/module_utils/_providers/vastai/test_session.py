# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The many ways of Vast.ai to say no."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import USER_AGENT
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.talk import AUTH, LIST, session

REFUSALS = [
    (401, AUTH, errors.AuthError, "not revoked"),
    (
        403,
        {"success": False, "error": "auth_error", "msg": "This action requires login."},
        errors.AuthError,
        "requires",
    ),
    (404, AUTH, errors.AuthError, "not revoked"),
    (404, {"msg": "Session expired. Please log in again."}, errors.AuthError, "second factor"),
    (401, {"msg": "Two Factor Authentication required"}, errors.AuthError, "second factor"),
    (403, "", errors.AuthError, "lacks the right"),
    (404, {"success": False, "error": "not_found", "msg": "gone"}, errors.NotFound, "gone"),
    (404, {"success": False, "error": "no_such_instance"}, errors.NotFound, "no_such_instance"),
    (403, {"error": "invalid_args", "msg": "error 403/3586: Offer 7 is not your own"}, errors.Forbidden, "3586"),
    (404, {"error": "invalid_args", "msg": "error 404/3603: no_such_ask x"}, errors.NoCapacity, "3603"),
    (410, {"error": "no_such_ask", "msg": "error 410/3907: no_such_ask x"}, errors.NoCapacity, "3907"),
    (400, {"error": "no_such_ask", "message": "no longer available"}, errors.NoCapacity, "no longer"),
    (400, {"error": "insufficient_credit", "msg": "Your account lacks credit"}, errors.PaymentRequired, "Top up"),
    (400, {"error": "spend_rate_limit"}, errors.PaymentRequired, "e-mail"),
    (400, {"error": "bad_request", "msg": "q.gpu_name: Input should be"}, errors.BadRequest, "q.gpu_name"),
    (410, {"error": "deprecated_endpoint", "msg": "is deprecated"}, errors.BadAnswer, "newer release"),
    (500, "<html><body>oops</body></html>", errors.ServerError, "500"),
    (200, {"success": False, "msg": "nothing of it"}, errors.BadRequest, "nothing of it"),
    (200, {"success": False, "error": "resources_unavailable", "msg": "queued"}, errors.NoCapacity, "queued"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), REFUSALS)
def test_a_refusal_is_known_by_its_words(status, body, kind, words):
    script = [expect("GET", LIST).reply(body, status)] * (5 if status == 500 else 1)
    with Conversation(*script) as api, pytest.raises(errors.CloudError) as caught:
        session(api).request("GET", LIST, attempted="look")
    assert caught.value.__class__ is kind
    assert words in caught.value.message
    assert caught.value.message.startswith("Could not look: Vast.ai answered")


LIMITS = [
    "API requests too frequent: endpoint threshold=4.5",
    {"detail": "API requests too frequent endpoint threshold=4.5"},
    {"success": False, "error": "rate_limit_exceeded", "msg": "API requests too frequent endpoint threshold=4.5"},
]


@pytest.mark.parametrize("body", LIMITS)
def test_too_many_is_waited_for_as_long_as_the_text_says(body):
    time = FakeTime()
    with Conversation(expect("GET", LIST).reply(body, 429), expect("GET", LIST).reply({"instances": []})) as api:
        session(api, time).request("GET", LIST, attempted="look")
    assert sum(time.slept) >= 4.5


def test_too_many_without_a_figure_is_waited_for_as_documented():
    time = FakeTime()
    script = [expect("DELETE", "/api/v0/instances/7/").reply("API requests too frequent", 429)]
    with Conversation(*script, expect("DELETE", "/api/v0/instances/7/").reply({"success": True})) as api:
        session(api, time, scale=1.0).request("DELETE", "/api/v0/instances/7/", body={}, attempted="end it")
    assert sum(time.slept) >= 3.0


def test_what_the_server_asks_for_in_a_header_counts():
    time = FakeTime()
    script = [expect("GET", LIST).reply("API requests too frequent", 429, {"Retry-After": "9"})]
    with Conversation(*script, expect("GET", LIST).reply({"instances": []})) as api:
        session(api, time).request("GET", LIST, attempted="look")
    assert sum(time.slept) >= 9


def test_the_quota_of_a_day_is_not_tried_again():
    time = FakeTime()
    body = {"success": False, "error": "search_quota_exceeded", "msg": "quota"}
    with (
        Conversation(expect("POST", "/api/v0/bundles/").reply(body, 429)) as api,
        pytest.raises(errors.RateLimited, match="midnight UTC"),
    ):
        session(api, time).request("POST", "/api/v0/bundles/", body={}, attempted="search", like="GET")
    assert time.slept == []


def test_the_documented_pauses_are_kept_between_requests():
    time = FakeTime()
    with Conversation(*[expect("GET", LIST).reply({"instances": []})] * 3) as api:
        each = session(api, time, scale=1.0)
        for _number in range(3):
            each.request("GET", LIST, attempted="look")
    assert time.slept == [pytest.approx(1.05), pytest.approx(1.05)]


def test_a_search_may_be_repeated_and_a_create_may_not():
    with Conversation(
        expect("POST", "/api/v0/bundles/").drop(), expect("POST", "/api/v0/bundles/").reply({"offers": []})
    ) as api:
        session(api).request("POST", "/api/v0/bundles/", body={}, attempted="search", like="GET")
    for lost in (expect("PUT", "/api/v0/asks/7/").drop(), expect("PUT", "/api/v0/asks/7/").reply("", 502)):
        with Conversation(lost) as api, pytest.raises(errors.Ambiguous):
            session(api).request("PUT", "/api/v0/asks/7/", body={}, attempted="rent", like="POST")


def test_a_log_is_fetched_without_the_key():
    with Conversation(expect("PUT", "/x").reply({"success": True}), key=None) as api:
        session(api).request("PUT", "/x", attempted="ask")
    with Conversation(
        expect("GET", "/log", headers={"User-Agent": USER_AGENT}).reply("no", 404),
        expect("GET", "/log", headers={"Authorization": None}).reply("a\nb"),
        key=None,
    ) as api:  # fmt: skip
        assert session(api).fetch(f"{api.url}/log", 5.0, "read the log") == "a\nb"
    with Conversation(key=None) as api, pytest.raises(errors.ServerError, match="was not there after 1 s"):
        session(api).fetch("ftp://example.com/log", 1.0, "read the log")
