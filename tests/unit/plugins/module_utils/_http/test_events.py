# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams that never end by themselves are read with a deadline of our own."""

from __future__ import annotations

import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.events import read_events
from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import Patience
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect, refused_url

LOGS = expect("GET", "/logs", query={"tail": "5"}, headers={"Accept": "text/event-stream"})


def read(url, *, deadline=10.0, quiet=0.1):
    api = ApiSession("RunPod", url, KEY)
    return read_events(api, "/logs", {"tail": 5}, deadline=deadline, quiet=quiet, attempted="read the log")


def test_a_backlog_is_read_though_the_stream_stays_open():
    begun = time.monotonic()
    with Conversation(LOGS.stream("one", "two", "three", stays_open=3.0)) as api:
        assert read(api.url) == ["one", "two", "three"]
        assert time.monotonic() - begun < 2.5


def test_a_stream_that_ends_is_read_to_its_end():
    with Conversation(LOGS.stream("one", "two")) as api:
        assert read(api.url, quiet=10.0) == ["one", "two"]


def test_a_stream_without_a_line_ends_at_the_deadline():
    begun = time.monotonic()
    with Conversation(LOGS.stream(stays_open=2.0)) as api:
        assert read(api.url, deadline=0.2) == []
        assert time.monotonic() - begun < 1.5


def test_an_answer_without_chunks_is_read_as_it_comes():
    text = b"id: 1\ndata: one\n\nid: 2\ndata: two\n\n"
    with Conversation(LOGS.reply(text, headers={"Content-Type": "text/event-stream"})) as api:
        assert read(api.url) == ["one", "two"]


def test_a_refusal_is_an_error_of_the_family():
    with Conversation(LOGS.problem(404, "resource not found")) as api, pytest.raises(errors.NotFound, match="the log"):
        read(api.url)


def test_a_dropped_line_is_an_error():
    with Conversation(LOGS.drop()) as api, pytest.raises(errors.ServerError, match="the connection broke"):
        read(api.url)


def test_no_connection_is_an_error():
    with pytest.raises(errors.ServerError):
        read(refused_url())


def test_a_log_counts_as_a_request_and_its_answer_tells_of_the_quota():
    empty = {"RateLimit": '"minute";r=0;t=44'}
    with Conversation(LOGS.problem(404, "resource not found", **empty)) as server:
        api = ApiSession("RunPod", server.url, KEY, patience=Patience(budget=1.0))
        for error in (errors.NotFound, errors.RateLimited):
            with pytest.raises(error):
                read_events(api, "/logs", {"tail": 5}, deadline=10.0, quiet=0.1, attempted="read the log")
