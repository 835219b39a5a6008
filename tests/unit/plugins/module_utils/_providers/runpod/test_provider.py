# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for RunPod against a scripted server."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Account, Mount, Reference
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Template
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import provider as runpod
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import wire
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

PODS = "/v2/pods"
POD = "/v2/pods/7h9k2m4n6p"
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)


def driver(api):
    time = cloud.FakeTime()
    return runpod.RunPod(KEY, api.url, session=ApiSession("RunPod", api.url, KEY, clock=time.clock), quiet=0.1)


# -- create


def test_a_create_sends_the_whole_request_once():
    request = cloud.request("x", public_keys=(cloud.KEY,))
    script = expect("POST", PODS, body=wire.create_body(request))
    with Conversation(script.reply(examples.fresh(name="x"), 201)) as api:
        pod = driver(api).create(request)
    assert (pod.id, pod.phase, pod.endpoint, pod.usd_per_hour) == ("7h9k2m4n6p", "provisioning", None, 0.69)


def test_a_wrong_request_is_never_sent():
    with Conversation() as api, pytest.raises(errors.BadRequest, match="needs an image"):
        driver(api).create(cloud.request("x", image=None))


@pytest.mark.parametrize(
    "answer",
    [
        expect("POST", PODS).drop(),
        expect("POST", PODS).problem(500, "oh"),
        expect("POST", PODS).problem(503, "oh", Retry_After="1"),
        expect("POST", PODS).reply("", 201),
        expect("POST", PODS).reply("<html>ok</html>", 201),
        expect("POST", PODS).reply({"name": "x"}, 201),
    ],
)
def test_a_create_of_which_nothing_is_known_is_ambiguous_and_sent_once(answer):
    with Conversation(answer) as api, pytest.raises(errors.Ambiguous):
        driver(api).create(cloud.request("x"))


@pytest.mark.parametrize(
    ("status", "detail", "kind", "elsewhere"),
    [
        (400, NO_CAPACITY, errors.NoCapacity, "yes"),
        (400, 'Field "objectMounts" is not defined by type "X"', errors.BadRequest, "once"),
        (401, "invalid api key", errors.AuthError, "no"),
        (402, "insufficient balance", errors.PaymentRequired, "no"),
        (403, "access denied", errors.Forbidden, "yes"),
        (404, "resource not found", errors.NotFound, "no"),
        (413, "body too large", errors.BadRequest, "no"),
        (422, "Request validation failed.", errors.BadRequest, "no"),
    ],
)
def test_a_refused_create_says_whether_another_offer_is_worth_a_try(status, detail, kind, elsewhere):
    with Conversation(expect("POST", PODS).problem(status, detail)) as api, pytest.raises(errors.CloudError) as caught:
        driver(api).create(cloud.request("x"))
    assert caught.type is kind
    assert caught.value.elsewhere == elsewhere
    assert detail.rstrip(".") in str(caught.value)
    assert str(caught.value) == caught.value.message


def test_a_capacity_refusal_names_the_filters():
    request = cloud.request("x", regions=("EU-RO-1",), min_cuda_version="12.8", disk_gb=40)
    answer = expect("POST", PODS).problem(400, NO_CAPACITY)
    with Conversation(answer) as api, pytest.raises(errors.NoCapacity) as caught:
        driver(api).create(request)
    for words in ("1 x NVIDIA RTX 4090", "SECURE", "40 GB", "EU-RO-1", "CUDA 12.8 or later"):
        assert words in str(caught.value)


def test_a_firewalls_403_is_no_answer_about_the_gpu():
    answer = expect("POST", PODS).reply("error code: 1010", 403)
    with Conversation(answer) as api, pytest.raises(errors.Blocked) as caught:
        driver(api).create(cloud.request("x"))
    assert caught.value.elsewhere == "no"


def test_a_refusal_does_not_repeat_the_environment():
    secret = "hf_averysecrettoken"
    answer = expect("POST", PODS).problem(422, "failed", [f"$.env.T: {secret} is bad"])
    with Conversation(answer) as api, pytest.raises(errors.BadRequest) as caught:
        driver(api).create(cloud.request("x", env={"T": secret}))
    assert secret not in json.dumps([str(caught.value), caught.value.to_result()])


# -- reading


def test_a_pod_is_read_by_its_id_and_nothing_else():
    with Conversation(expect("GET", "/v2/pods/..%2Faccount").reply(examples.RUNNING)) as api:
        assert driver(api).get_pod("../account").id == "7h9k2m4n6p"


def test_a_pod_that_does_not_exist_is_not_found():
    with Conversation(expect("GET", POD).problem(404, "resource not found")) as api, pytest.raises(errors.NotFound):
        driver(api).get_pod("7h9k2m4n6p")


@pytest.mark.parametrize("body", ["", {}, [], "<html>"])
def test_a_pod_that_cannot_be_read_is_an_error(body):
    with Conversation(expect("GET", POD).reply(body)) as api, pytest.raises(errors.BadAnswer):
        driver(api).get_pod("7h9k2m4n6p")


def page(*ids, cursor=None, **fields):
    pagination = {"hasNextPage": cursor is not None, "nextCursor": cursor, **fields}
    return {"pods": [examples.pod(id=each) for each in ids], "pagination": pagination}


def test_a_list_is_followed_to_its_end():
    script = (
        expect("GET", PODS, query={}).reply(page("p1", "p2", cursor="c1")),
        expect("GET", PODS, query={"cursor": "c1"}).reply(page("p3", cursor="c2")),
        expect("GET", PODS, query={"cursor": "c2"}).reply(page()),
    )
    with Conversation(*script) as api:
        assert [pod.id for pod in driver(api).list_pods()] == ["p1", "p2", "p3"]


@pytest.mark.parametrize("pagination", [..., None, {}, {"hasNextPage": False}])
def test_a_list_without_pages_is_complete(pagination):
    body = {"pods": [examples.RUNNING], "pagination": pagination}
    if pagination is ...:
        del body["pagination"]
    with Conversation(expect("GET", PODS).reply(body)) as api:
        assert len(driver(api).list_pods()) == 1


def test_a_list_that_goes_round_in_circles_is_refused():
    script = (
        expect("GET", PODS).reply(page("p1", cursor="c1")),
        expect("GET", PODS, query={"cursor": "c1"}).reply(page("p2", cursor="c1")),
    )
    with Conversation(*script) as api, pytest.raises(errors.BadAnswer, match="repeat"):
        driver(api).list_pods()


def test_a_list_that_promises_more_without_saying_where_is_refused():
    with Conversation(expect("GET", PODS).reply(page("p1", hasNextPage=True))) as api, pytest.raises(errors.BadAnswer):
        driver(api).list_pods()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (expect("GET", PODS).problem(401, "invalid api key"), errors.AuthError),
        (expect("GET", PODS).problem(403, "access denied"), errors.Forbidden),
        (expect("GET", PODS).reply("error code: 1010", 403), errors.Blocked),
        (expect("GET", PODS).reply(""), errors.BadAnswer),
        (expect("GET", PODS).reply({}), errors.BadAnswer),
        (expect("GET", PODS).reply({"pods": None}), errors.BadAnswer),
        (expect("GET", PODS).reply({"pods": [{"name": "x"}]}), errors.BadAnswer),
    ],
)
def test_an_error_from_a_list_is_never_an_empty_list(answer, kind):
    with Conversation(answer) as api, pytest.raises(kind):
        driver(api).list_pods()


def test_an_error_on_a_later_page_is_no_shorter_list():
    script = (
        expect("GET", PODS).reply(page("p1", cursor="c1")),
        expect("GET", PODS).problem(422, "cursor does not belong to this list"),
    )
    with Conversation(*script) as api, pytest.raises(errors.BadRequest):
        driver(api).list_pods()


# -- changing


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_an_action_is_posted_once(action):
    with Conversation(expect("POST", f"{POD}/action", body={"action": action}).reply(examples.RUNNING)) as api:
        assert getattr(driver(api), action)("7h9k2m4n6p").id == "7h9k2m4n6p"


def test_an_action_that_is_illegal_now_is_a_conflict():
    answer = expect("POST", f"{POD}/action").problem(409, "action restart is not valid for status EXITED")
    with Conversation(answer) as api, pytest.raises(errors.Conflict, match="EXITED"):
        driver(api).restart("7h9k2m4n6p")


def test_a_start_without_a_free_gpu_is_no_capacity():
    answer = expect("POST", f"{POD}/action").problem(400, "There are not enough free GPUs on the host machine")
    with Conversation(answer) as api, pytest.raises(errors.NoCapacity, match="rented to another"):
        driver(api).start("7h9k2m4n6p")


@pytest.mark.parametrize(
    ("kind", "path", "answer", "found"),
    [
        (
            "network_volume",
            "/v2/network-volumes",
            {"networkVolumes": [{"id": "v1", "name": "data", "size": 10, "dataCenter": "EU-RO-1"}]},
            Reference("network_volume", "v1", "data", region="EU-RO-1", size_gb=10),
        ),
        (
            "template",
            "/v2/templates",
            {"templates": [{"id": "t1", "name": "data", "image": "i:1", "ports": ["22/tcp"], "serverless": False}]},
            Template("template", "t1", "data", image="i:1", ports=("22/tcp",)),
        ),
        (
            "registry",
            "/v2/registries",
            {"registries": [{"id": "r1", "name": "data"}]},
            Reference("registry", "r1", "data"),
        ),
    ],
)
def test_a_name_is_found_with_what_matters_of_it(kind, path, answer, found):
    with Conversation(expect("GET", path).reply(answer)) as api:
        assert driver(api).find(kind, "data") == found


def test_a_template_of_somebody_else_is_read_by_its_id_with_all_it_says():
    """Its environment may hold secrets, and is nowhere to be seen."""
    raw = {
        "id": "pub",
        "name": "torch",
        "image": "i:2",
        "args": "run",
        "disk": 30,
        "ports": [],
        "registry": "r7",
        "env": {"HF_TOKEN": "hf_secret", "N": 1},
        "mounts": {"persistent": {"size": 50, "path": "/workspace"}},
    }
    script = (expect("GET", "/v2/templates").reply({"templates": []}), expect("GET", "/v2/templates/pub").reply(raw))
    with Conversation(*script) as api:
        found = driver(api).find("template", "pub")
    assert found == Template(
        *("template", "pub", "torch"),
        image="i:2",
        args="run",
        disk_gb=30,
        ports=(),
        registry="r7",
        volume=Mount("disk", "/workspace", 50),
        env={"HF_TOKEN": "hf_secret", "N": "1"},
    )
    assert "hf_secret" not in repr(found)


def test_a_template_for_serverless_workers_is_refused():
    answer = {"templates": [{"id": "t1", "name": "x", "serverless": True}]}
    script = expect("GET", "/v2/templates").reply(answer)
    with Conversation(script) as api, pytest.raises(errors.BadRequest, match="serverless workers"):
        driver(api).find("template", "x")


def test_a_stop_with_a_text_of_capacity_stays_what_it_is():
    answer = expect("POST", f"{POD}/action").problem(400, "There are not enough free GPUs on the host machine")
    with Conversation(answer) as api, pytest.raises(errors.BadRequest):
        driver(api).stop("7h9k2m4n6p")


def test_an_end_that_is_refused_says_how_a_lock_comes_off():
    answer = expect("DELETE", POD).problem(409, "pod is locked")
    with Conversation(answer) as api, pytest.raises(errors.Conflict, match=r"pod is locked.*locked: false"):
        driver(api).terminate("7h9k2m4n6p")


def test_a_change_that_is_refused_names_the_option():
    answer = expect("PATCH", POD).problem(422, "Request validation failed.", ["$.disk: must be >= 1"])
    with Conversation(answer) as api, pytest.raises(errors.BadRequest, match="option disk is not allowed"):
        driver(api).update("7h9k2m4n6p", {"disk_gb": 0})


def test_a_change_sends_only_what_differs():
    with Conversation(expect("PATCH", POD, body={"disk": 60}).reply(examples.pod(disk=60))) as api:
        assert driver(api).update("7h9k2m4n6p", {"disk_gb": 60}).disk_gb == 60


def test_a_volume_grows_with_its_complete_entry():
    now = examples.pod(mounts={"persistent": {"size": 50, "path": "/data"}})
    body = {"mounts": {"persistent": {"size": 80, "path": "/data"}}}
    with Conversation(expect("GET", POD).reply(now), expect("PATCH", POD, body=body).reply(now)) as api:
        driver(api).update("7h9k2m4n6p", {"volume_size_gb": 80})


def test_an_end_that_is_taken_and_one_that_finds_nothing_are_both_successes():
    script = (expect("DELETE", POD).reply(status=204), expect("DELETE", POD).problem(404, "resource not found"))
    with Conversation(*script) as api:
        provider = driver(api)
        assert provider.terminate("7h9k2m4n6p") is True
        assert provider.terminate("7h9k2m4n6p") is False


def test_an_end_is_repeated_after_a_dropped_line():
    with Conversation(expect("DELETE", POD).drop(), expect("DELETE", POD).problem(404, "gone")) as api:
        assert driver(api).terminate("7h9k2m4n6p") is False


def test_an_end_that_is_refused_is_an_error():
    answer = expect("DELETE", POD).problem(409, "pod belongs to a cluster")
    with Conversation(answer) as api, pytest.raises(errors.Conflict, match="cluster"):
        driver(api).terminate("7h9k2m4n6p")


# -- logs and money


def test_a_log_is_read_though_the_stream_stays_open():
    events = [json.dumps({"ts": "t", "source": "container", "line": line}) for line in ("one", "two {x}")]
    script = expect("GET", f"{POD}/logs", query={"source": "container", "tail": "500"})
    with Conversation(script.stream(*events, "not json", stays_open=1.0)) as api:
        assert driver(api).logs("7h9k2m4n6p") == ["one", "two {x}", "not json"]


def test_the_balance_is_read():
    answer = {"data": {"myself": {"clientBalance": 41.7, "currentSpendPerHr": 0.69, "spendLimit": 80}}}
    with Conversation(expect("POST", "/graphql", body={"query": runpod.BALANCE_QUERY}).reply(answer)) as api:
        provider = driver(api)
        assert provider.account() == Account("runpod", 41.7, 0.69, 80)
        assert provider.notes == ()


@pytest.mark.parametrize("status", [200, 400])
def test_a_limit_that_is_no_longer_told_does_not_cost_the_balance(status):
    refused = {"errors": [{"message": 'Cannot query field "spendLimit" on type "User".'}]}
    answer = {"data": {"myself": {"clientBalance": 41.7, "currentSpendPerHr": 0.69}}}
    script = (
        expect("POST", "/graphql", body={"query": runpod.BALANCE_QUERY}).reply(refused, status),
        expect("POST", "/graphql", body={"query": runpod.SHORT_BALANCE_QUERY}).reply(answer),
    )
    with Conversation(*script) as api:
        provider = driver(api)
        assert provider.account() == Account("runpod", 41.7, 0.69)
        assert provider.notes == ()


@pytest.mark.parametrize(
    "answer",
    [
        expect("POST", "/graphql").reply({"error": "GraphQL has been retired"}, 410),
        expect("POST", "/graphql").problem(404, "The requested path was not found."),
        expect("POST", "/graphql").reply({"errors": [{"message": 'Cannot query field "clientBalance"'}]}, 400),
        expect("POST", "/graphql").reply({"errors": [{"message": "Something went wrong."}], "data": None}),
        expect("POST", "/graphql").reply({"data": {"myself": None}}),
        expect("POST", "/graphql").reply("<html>"),
        expect("POST", "/graphql").reply("<html>", 404),
        expect("POST", "/graphql").reply("<html>", 403),
        expect("POST", "/graphql").reply({"errors": [{"message": "access denied"}]}, 403),
        expect("POST", "/graphql").reply({"errors": [{"message": "Unauthorized"}]}, 401),
        expect("POST", "/graphql").reply({"errors": [{"message": "Unauthorized"}], "data": {"myself": None}}),
        expect("POST", "/graphql").reply({"data": {"myself": {"clientBalance": None, "currentSpendPerHr": 0.69}}}),
        expect("POST", "/graphql").reply({"data": {"myself": {"clientBalance": "some", "currentSpendPerHr": 0.69}}}),
        expect("POST", "/graphql").reply([]),
        expect("POST", "/graphql").problem(500, "oh"),
        expect("POST", "/graphql").drop(),
    ],
)
def test_without_the_balance_the_key_is_proved_otherwise(answer):
    with Conversation(answer, expect("GET", PODS, query={"limit": "1"}).reply({"pods": []})) as api:
        provider = driver(api)
        assert provider.account() == Account("runpod", None, None)
    assert len(provider.notes) == 1
    assert "\n" not in provider.notes[0], "one line is all that is lost"
    assert KEY not in provider.notes[0]


def test_a_refused_key_is_no_missing_balance():
    script = (expect("POST", "/graphql").problem(401, "no"), expect("GET", PODS).problem(401, "invalid api key"))
    with Conversation(*script) as api, pytest.raises(errors.AuthError):
        driver(api).account()


def test_a_refused_key_shows_also_when_the_balance_is_gone():
    script = (expect("POST", "/graphql").problem(410, "retired"), expect("GET", PODS).problem(401, "invalid api key"))
    with Conversation(*script) as api, pytest.raises(errors.AuthError):
        driver(api).account()


def test_the_command_that_ends_a_pod_holds_no_key():
    with Conversation() as api:
        command = driver(api).end_command("p1")
    assert command == f'curl -X DELETE -H "Authorization: Bearer $RUNPOD_API_KEY" {api.url}/v2/pods/p1'


def test_a_stop_costs_twice_the_price_of_the_disk():
    with Conversation() as api:
        provider = driver(api)
    cost = provider.stop_cost(cloud.pod(mounts=(Mount("disk", "/workspace", 50),)))
    assert cost.usd_per_month == 10.0
    assert "everything outside /workspace" in cost.loses
    assert provider.stop_cost(cloud.pod()).loses.startswith("everything on its disk")
    network = provider.stop_cost(cloud.pod(mounts=(Mount("network", "/workspace", volume_id="v1"),)))
    assert "bills as always" in network.keeps
