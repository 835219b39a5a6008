# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the driver share: a session that takes no time, and a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.provider import Vast
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.session import VastSession
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.rows import KEY_LINE

NAMES, SEARCH, LIST = "/api/v0/gpu_names/unique/", "/api/v0/bundles/", "/api/v1/instances/"
ASK, ONE, KEYS, USER = "/api/v0/asks/21530011/", "/api/v0/instances/12345678/", "/api/v0/ssh/", "/api/v0/users/current/"
PAGE = {"limit": "25", "order_by": '[{"col": "id", "dir": "asc"}]'}
AUTH = {"success": False, "error": "auth_error", "msg": "Invalid user key"}


def session(api: Conversation, time: FakeTime | None = None, scale: float = 0.0) -> VastSession:
    """A session whose waits are counted and not waited."""
    return VastSession(api.url, KEY, scale=scale, clock=(time or FakeTime()).clock)


def driver(api: Conversation, time: FakeTime | None = None, scale: float = 0.0) -> Vast:
    """The driver on it."""
    return Vast(KEY, api.url, scale=scale, session=session(api, time, scale))


def request(**changes: Any) -> PodRequest:
    """One RTX 4090 on one offer."""
    made = PodRequest(
        name="podyard-digits-r1-0-1",
        image="pytorch/pytorch:2.4.0",
        gpu="RTX 4090",
        gpu_id="RTX 4090",
        disk_gb=60,
        offer_id="21530011",
        host="18422",
        public_keys=(KEY_LINE,),
    )
    return replace(made, **changes)


def no_keys():
    """The account's keys are read and ours is there."""
    return expect("GET", KEYS).reply([{"id": 5, "public_key": KEY_LINE}])


def listed(*found: Any, **more: Any) -> dict[str, Any]:
    """One page of the list."""
    return {"success": True, "total_instances": len(found), "next_token": None, "instances": list(found), **more}
