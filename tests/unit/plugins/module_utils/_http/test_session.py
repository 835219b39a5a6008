# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP session against a real server: what is repeated, what an answer means, what no message may hold."""

from __future__ import annotations

import re

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http import session as session_module
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession, Response, detail, redact
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect, refused_url


def session(url, time=None, **arguments):
    return ApiSession("RunPod", url, KEY, clock=(time or FakeTime()).clock, **arguments)


def get(api, **arguments):
    return api.request("GET", "/v2/x", attempted="read x", **arguments)


def post(api, **arguments):
    return api.request("POST", "/v2/x", body={"a": 1}, attempted="make x", **arguments)


def test_a_request_carries_key_agent_and_json():
    headers = {"User-Agent": "podyard.gpu/0.1.0", "Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    script = expect("POST", "/v2/x", body={"a": 1}, query={"b": "2"}, headers=headers)
    with Conversation(script.reply({"c": 3}, 201, {"X-Request-Id": "r1"})) as api:
        answer = post(session(api.url), query={"b": 2})
    assert (answer.status, answer.data, answer.request_id) == (201, {"c": 3}, "r1")


def test_a_netrc_does_not_take_the_place_of_the_key(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Conversation(expect("GET", "/v2/x").reply({})) as api:
        get(session(api.url))


def test_a_proxy_is_not_asked_for_loopback(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    monkeypatch.setenv("http_proxy", refused_url())
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Conversation(expect("GET", "/v2/x").reply({})) as api:
        get(session(api.url))


@pytest.mark.parametrize("text", ["", "<html>fine</html>", "null"])
def test_a_body_that_is_no_json_is_no_data(text):
    with Conversation(expect("GET", "/v2/x").reply(text.encode())) as api:
        assert get(session(api.url)).data is None


def test_a_read_is_repeated_after_a_drop_a_delay_and_a_server_error():
    time, x = FakeTime(), expect("GET", "/v2/x")
    script = (x.drop(), x.reply("oh", 500), x.problem(503, "busy"), x.reply({"a": 1}))
    with Conversation(*script) as api:
        assert get(session(api.url, time)).data == {"a": 1}
    assert len(time.slept) == 3


def test_what_would_be_out_of_date_is_not_repeated():
    time, x = FakeTime(), expect("PUT", "/v2/x")
    with Conversation(x.problem(429, "slow down", Retry_After="12"), x.reply("oh", 500)) as api:
        for kind in (errors.RateLimited, errors.ServerError):
            with pytest.raises(kind):
                ApiSession("RunPod", api.url, KEY, clock=time.clock).request(
                    "PUT", "/v2/x", attempted="write x", repeat=False
                )
            time.now += 60
    with pytest.raises(errors.Unreachable):
        get(session(refused_url(), time), repeat=False)
    assert time.slept == []


def test_a_slow_answer_is_given_up_and_asked_for_again():
    x = expect("GET", "/v2/x")
    with Conversation(x.late(1.0).reply({}), x.reply({"a": 1})) as api:
        assert get(session(api.url, timeouts=(5, 0.2))).data == {"a": 1}


def test_a_read_that_always_fails_says_so_after_five_tries():
    x = expect("GET", "/v2/x").problem(502, "bad gateway", X_Request_Id="r9")
    with Conversation(x, x, x, x, x) as api, pytest.raises(errors.ServerError) as caught:
        get(session(api.url))
    assert str(caught.value) == "Could not read x: RunPod answered 502: bad gateway (request id r9)."
    assert (caught.value.status, caught.value.request_id, caught.value.detail) == (502, "r9", "bad gateway")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 524, 408])
def test_a_write_is_never_repeated_after_a_server_error(method, status):
    with Conversation(expect(method, "/v2/x").problem(status, "oh")) as api, pytest.raises(errors.Ambiguous):
        session(api.url).request(method, "/v2/x", body={}, attempted="make x")


def test_a_write_is_never_repeated_after_a_drop():
    with Conversation(expect("POST", "/v2/x").drop()) as api, pytest.raises(errors.Ambiguous) as caught:
        post(session(api.url))
    assert "RunPod did not answer" in str(caught.value)


def test_a_write_is_never_repeated_after_a_time_out():
    with Conversation(expect("POST", "/v2/x").late(1.0).reply({})) as api, pytest.raises(errors.Ambiguous) as caught:
        post(session(api.url, timeouts=(5, 0.2)))
    assert "timed out" in str(caught.value).lower()


def test_a_write_goes_out_over_a_fresh_connection():
    x = expect("GET", "/v2/x").reply({}, headers={"Connection": "keep-alive"})
    with Conversation(x, expect("POST", "/v2/x").reply({})) as api:
        talk = session(api.url)
        get(talk)
        pools = talk._session.get_adapter(api.url).poolmanager.pools
        assert len(pools) == 1
        closed = []
        original = talk._session.close
        talk._session.close = lambda: (closed.append(True), original())
        post(talk)
    assert closed == [True]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_is_never_made_is_tried_again_and_executed_nothing(method):
    time = FakeTime()
    with pytest.raises(errors.Unreachable) as caught:
        session(refused_url(), time).request(method, "/v2/x", attempted="do x")
    assert len(time.slept) == 4
    assert "Connection refused" in str(caught.value)
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rate_limit_is_waited_for_whatever_the_verb(method):
    time, x = FakeTime(), expect(method, "/v2/x")
    with Conversation(x.problem(429, "slow down", Retry_After="12"), x.reply({})) as api:
        session(api.url, time).request(method, "/v2/x", attempted="do x")
    assert time.slept == [pytest.approx(12.55)]


def test_a_rate_limit_beyond_the_budget_is_said():
    x = expect("POST", "/v2/x").problem(429, "rate limit exceeded for the day window", Retry_After="45000")
    with Conversation(x) as api, pytest.raises(errors.RateLimited) as caught:
        post(session(api.url))
    assert caught.value.retry_after == 45000
    assert "the server asks for 12 h 30 min more" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.AuthError),
        (402, errors.PaymentRequired),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.BadRequest),
        (409, errors.Conflict),
        (410, errors.BadRequest),
        (413, errors.BadRequest),
        (422, errors.BadRequest),
    ],
)
def test_a_status_is_an_error_of_the_family(status, kind):
    with Conversation(expect("GET", "/v2/x").problem(status, "no")) as api, pytest.raises(errors.CloudError) as caught:
        get(session(api.url))
    assert caught.type is kind
    assert caught.value.status == status
    assert "no" in str(caught.value)


def test_a_redirect_is_not_followed():
    answer = expect("POST", "/v2/x").reply("", 302, {"Location": "/v2/elsewhere"})
    with Conversation(answer) as api, pytest.raises(errors.BadRequest, match="302"):
        post(session(api.url))


def test_a_403_that_is_no_json_comes_from_something_in_front():
    answer = expect("GET", "/v2/x").reply("error code: 1010", 403, {"Content-Type": "text/plain"})
    with Conversation(answer) as api, pytest.raises(errors.Blocked, match="error code: 1010") as caught:
        get(session(api.url))
    assert caught.value.code == "not_json"


def test_no_message_repeats_a_secret():
    value = 'to"ken\nwith trouble'
    said = {"detail": f"bad {value} from {KEY}", "errors": [f"$.env: {value}"]}
    with Conversation(expect("POST", "/v2/x").reply(said, 422)) as api, pytest.raises(errors.BadRequest) as caught:
        post(session(api.url), secrets=[value])
    everything = f"{caught.value} {caught.value.to_result()}"
    assert KEY not in everything
    assert "trouble" not in everything
    assert "***" in everything


def test_redaction_leaves_short_words_alone():
    assert redact("the cat sat", ["cat", ""]) == "the cat sat"
    assert redact("abcdef abcd", ["abcd", "abcdef"]) == "*** ***"


def answer(text, status=400):
    return Response(status, None, text, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"title":"T","status":400,"detail":"no instances."}', "no instances"),
        ('{"error":"create pod: no","status":500}', "create pod: no"),
        ('{"message":"gone"}', "gone"),
        ("<html><head><title>t</title></head><body><h1>502</h1>Bad gateway</body></html>", "502 Bad gateway"),
        ("plain text", "plain text"),
        ("", "nothing"),
        ("[1]", "[1]"),
    ],
)
def test_the_servers_own_words_are_found(text, words):
    assert detail(answer(text)) == words


def test_of_a_schema_error_the_missing_field_comes_first():
    text = (
        '{"detail":"Request validation failed.","errors":'
        "[\"$: additional properties 'name' not allowed\",\"$: missing property 'image'\"]}"
    )
    words = detail(answer(text))
    assert words.startswith("Request validation failed: $: missing property 'image'; $: additional")


def test_words_are_cut_to_a_sentence():
    assert len(detail(answer("x" * 5000))) <= session_module.QUOTED + 1


def test_without_the_library_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(session_module, "LIBRARY_PROBLEM", ImportError("No module named 'requests'"))
    with pytest.raises(errors.CloudError, match=re.escape("No module named 'requests'")):
        session("http://127.0.0.1:1")


def test_what_the_service_gave_up_is_no_absence():
    retired = expect("GET", "/v2/x").reply({"error": "retired", "status": 410}, 410)
    with Conversation(retired) as api, pytest.raises(errors.BadRequest, match="newer release") as caught:
        get(session(api.url))
    assert caught.value.status == 410


def test_a_byte_order_mark_is_no_part_of_the_body():
    with Conversation(expect("GET", "/v2/x").reply(b'\xef\xbb\xbf{"a": 1}')) as api:
        assert get(session(api.url)).data == {"a": 1}


def test_a_long_pause_that_the_server_asks_for_is_told():
    x, time, lines = expect("GET", "/v2/x"), FakeTime(), []
    with Conversation(x.problem(429, "slow down", Retry_After="12"), x.reply({})) as api:
        talk = session(api.url, time)
        talk.budget.tell = lines.append
        get(talk)
    assert lines == ["Too many requests: waiting 13 s, as the server asks"]
    assert talk.budget.held_back == pytest.approx(12.55)


def test_a_long_pause_of_our_own_is_not_said_to_be_the_servers():
    x, time, lines = expect("GET", "/v2/x"), FakeTime(), []
    with Conversation(*[x.problem(429, "slow down")] * 4, x.reply({})) as api:
        talk = session(api.url, time)
        talk.budget.tell = lines.append
        get(talk)
    assert lines == ["Too many requests: waiting 4 s"]
