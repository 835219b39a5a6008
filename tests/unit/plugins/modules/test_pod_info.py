# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pod_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import pod_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

SECRET = "hf_averysecrettoken"
PODS = {
    "pods": [
        examples.pod(id="p2", name="podyard-digits-r1-0-2", createdAt="2026-10-01T11:00:00Z", env={"T": SECRET}),
        examples.pod(id="p1", name="podyard-digits-r1-0-1", status="EXITED", createdAt="2026-10-01T10:00:00Z"),
        examples.pod(id="p3", name="podyard-other-r2-0-1", createdAt="2026-10-01T12:00:00Z"),
        examples.pod(id="p4", name="notebook", createdAt=None),
    ]
}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ids")
def asking(module):
    def ask(check=False, **options):
        with Conversation(expect("GET", "/v2/pods").reply(PODS)) as api:
            result = module.run(pod_info.main, check, api_key=KEY, api_url=api.url, **options)
        assert result["changed"] is False
        return [pod["id"] for pod in result["pods"]]

    return ask


@pytest.mark.parametrize("check", [False, True])
def test_all_pods_are_listed_oldest_first_without_their_environment(module, ids, check):
    assert ids(check) == ["p4", "p1", "p2", "p3"]
    assert SECRET not in module.printed
    assert KEY not in module.printed


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"name": "notebook"}, ["p4"]),
        ({"name": "podyard-digits-r1-0"}, ["p1", "p2"]),
        ({"name": "podyard-digits-r1-0-2"}, ["p2"]),
        ({"name_prefix": "podyard-"}, ["p1", "p2", "p3"]),
        ({"run_id": "r1"}, ["p1", "p2"]),
        ({"run_id": "r"}, []),
        ({"phases": ["stopped"]}, ["p1"]),
        ({"phases": ["running", "stopped"], "run_id": "r1"}, ["p1", "p2"]),
        ({"name_prefix": ""}, ["p4", "p1", "p2", "p3"]),
    ],
)
def test_only_what_fits_is_listed(ids, options, found):
    assert ids(**options) == found


def test_a_name_of_ours_says_project_and_run(module):
    with Conversation(expect("GET", "/v2/pods").reply(PODS)) as api:
        pods = module.run(pod_info.main, api_key=KEY, api_url=api.url)["pods"]
    assert [(pod["project"], pod["run_id"]) for pod in pods[:2]] == [(None, None), ("digits", "r1")]


def test_one_pod_by_its_id(module):
    script = (expect("GET", "/v2/pods/p1").reply(PODS["pods"][0]), expect("GET", "/v2/pods/p1").problem(404, "no"))
    with Conversation(*script) as api:
        assert len(module.run(pod_info.main, id="p1", api_key=KEY, api_url=api.url)["pods"]) == 1
        assert module.run(pod_info.main, id="p1", api_key=KEY, api_url=api.url)["pods"] == []


@pytest.mark.parametrize("status", [401, 403])
def test_an_error_is_never_an_empty_list(module, status):
    with Conversation(expect("GET", "/v2/pods").problem(status, "access denied")) as api:
        result = module.fail(pod_info.main, api_key=KEY, api_url=api.url)
    assert "access denied" in result["msg"]
    assert "pods" not in result
