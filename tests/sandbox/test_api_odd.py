# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is sent, the sandbox has no failure of its own: RunPod's REST and GraphQL, every operation there is."""

from __future__ import annotations

import json
import logging
import math
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
)
from odd_values import BODIES, IDS, QUERIES, TYPES, VALUES, Raw, mutated, text_of
from stand_in import IMAGE, PATIENCE, Api, ServerThread, wanted

from podyard_sandbox.runpod.graphql.engine import schema

TEMPLATE = {"name": "t", "image": IMAGE, "disk": 20, "ports": ["22/tcp"], "env": {"A": "1"}, "registry": None}
VOLUME = {"name": "v", "size": 20, "dataCenter": "EU-RO-1", "type": "STANDARD"}
# A good body for each operation that takes one; an operation that is not here gets odd ones all the same.
GOOD: dict[str, Any] = {
    "createPod": wanted(
        args="sleep 1", dataCenterIds=["EU-RO-1"], mounts={"persistent": {"size": 20, "path": "/workspace"}},
        gpu={"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "12.4", "minRamPerGpu": 1},
    ),
    "updatePod": {"name": "n", "env": {"A": "1"}, "ports": ["22/tcp"], "disk": 20, "args": "sleep 1", "locked": False},
    "podAction": {"action": "stop"},
    "updateSshKeys": {"keys": ["ssh-ed25519 AAAA me"]},
    "createNetworkVolume": VOLUME,
    "updateNetworkVolume": {"name": "w", "size": 30},
    "createTemplate": {**TEMPLATE, "mounts": {"persistent": {"size": 20, "path": "/workspace"}}, "category": "NVIDIA"},
    "updateTemplate": TEMPLATE,
    "createRegistry": {"name": "r", "username": "u", "password": "p"},
    "createSecret": {"name": "s", "value": "v", "description": "d"},
    "updateSecret": {"value": "w", "description": "e"},
    "graphql": {"query": "query Q($id: String) { pod(input: {podId: $id}) { id } }", "variables": {"id": "x"},
                "operationName": "Q"},
}  # fmt: skip


DAY = "2026-01-01T00:00:00Z"


@pytest.fixture
def sandbox(unrecorded_sandbox: ServerThread) -> ServerThread:
    return unrecorded_sandbox


@pytest.fixture
def no_failure(api: Api, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Afterwards: nothing was logged as the sandbox's own failure, and money and books are still good."""
    caplog.set_level(logging.ERROR)
    yield
    failures = [f"{each.getMessage()} {each.exc_info and each.exc_info[1]!r}" for each in caplog.records]
    assert failures == []
    shown = api.status()
    assert math.isfinite(shown["balance_usd"])
    json.dumps(shown, allow_nan=False)


def send(api: Api, method: str, path: str, **options: Any) -> requests.Response:
    """An answer without the endless part of it."""
    with api.session.request(method, api.url + path, timeout=PATIENCE, stream=True, **options) as answer:
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            return answer
        assert answer.content is not None
        return answer


def check(answer: requests.Response) -> None:
    """It is answered, or refused in the form of the service."""
    said = f"{answer.request.method} {answer.url[:300]} {str(answer.request.body)[:600]}: {answer.status_code}"
    assert answer.status_code < 500, said
    if answer.headers.get("Content-Type", "").startswith("text/event-stream") or answer.status_code == 204:
        return
    if answer.request.method == "HEAD":
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    shown = answer.json()
    if "/graphql" in answer.url:
        assert kind == "application/json" and (answer.status_code == 200 or shown["errors"][0]["message"]), said
    elif answer.status_code >= 400:
        assert kind == "application/problem+json", said
        assert shown["status"] == answer.status_code and shown["title"] and shown["detail"], said
    json.dumps(shown, allow_nan=False)


def operations(sandbox: ServerThread) -> list[tuple[str, str, str]]:
    """Method, path and name of every operation of RunPod's that is served."""
    found = []
    for route in sandbox.server.app.router.routes():
        path = route.resource.get_info() if route.resource is not None else {}
        shape = str(path.get("path") or path.get("formatter") or "")
        if not shape.startswith(("/_sandbox", "/api", "/vastai")):
            found.append((route.method, shape, route.name or ""))
    return found


def things(api: Api) -> dict[str, str]:
    """One of each kind that has an id, by the collection it is in."""
    api.post("/v2/account/ssh-keys")
    made = {"pods": api.running(name="odd")["id"]}
    for collection, operation in (
        ("network-volumes", "createNetworkVolume"),
        ("templates", "createTemplate"),
        ("registries", "createRegistry"),
        ("secrets", "createSecret"),
    ):
        made[collection] = api.post(f"/v2/{collection}", GOOD[operation]).json()["id"]
    return {**made, "gpus": "NVIDIA GeForce RTX 4090", "cpus": "cpu3c", "datacenters": "EU-RO-1"}


# One is enough to notice what is new; a search takes more.
SEEDS = range(int(os.environ.get("PODYARD_ODD_SEEDS", "1")))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.usefixtures("no_failure")
def test_every_operation_with_odd_input(sandbox: ServerThread, api: Api, seed: int) -> None:
    dice, known = random.Random(seed), things(api)
    served = operations(sandbox)
    assert {"createPod", "getPodLogs", "listBilling", "graphql"} <= {name for _method, _path, name in served}
    assert set(GOOD) <= {name for _method, _path, name in served}
    for method, shape, name in served:
        collection = shape.split("/")[-2] if shape.endswith("{id}") else shape.split("/")[2:3] and shape.split("/")[2]
        own = known.get(collection or "", "none")
        for _turn in range(8):
            thing = own if dice.random() < 0.6 else dice.choice(IDS)
            path = shape.replace("{id}", thing)
            query = dice.choice(QUERIES) if dice.random() < (0.8 if method == "GET" else 0.2) else ""
            headers = {"Content-Type": dice.choice(TYPES) if dice.random() < 0.3 else "application/json"}
            if name == "getPodLogs" and dice.random() < 0.4:
                headers["Last-Event-ID"] = dice.choice(("x", f"{DAY}/\xb2", f"{DAY}/{'9' * 5000}"))
            body = b"" if method in ("GET", "DELETE") else odd_body(dice, name)
            check(send(api, method, f"{path}?{query}", data=body, headers=headers))
        check(send(api, dice.choice(("PUT", "TRACE", "OPTIONS", "HEAD", "PATCH")), shape.replace("{id}", own)))


def odd_body(dice: random.Random, name: str) -> bytes:
    """What an operation gets."""
    if dice.random() < 0.25:
        return dice.choice(BODIES)
    body = mutated(dice, GOOD.get(name, {"name": "x"}))
    return text_of(mutated(dice, body) if dice.random() < 0.3 else body).encode("utf-8", "surrogatepass")


# GraphQL


def document(kind: str, name: str, field: GraphQLField) -> str:
    """An operation on one field of a root, with a variable for each argument and all leaves selected."""
    head = ", ".join(f"${argument}: {field.args[argument].type}" for argument in field.args)
    given = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    called, asked = (f"Odd({head})", f"{name}({given})") if head else ("Odd", name)
    return f"{kind} {called} {{ {asked} {leaves(field.type, 3)} }}"


def leaves(of: Any, depth: int) -> str:
    kind = get_named_type(of)
    if not isinstance(kind, GraphQLObjectType):
        return ""
    found = ["__typename"]
    for name, field in kind.fields.items():
        needs = any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values())
        if isinstance(get_named_type(field.type), GraphQLObjectType):
            found += [f"{name} {leaves(field.type, depth - 1)}"] if depth and not needs else []
        else:
            found.append(name)
    return "{ " + " ".join(found) + " }"


def given(dice: random.Random, of: Any) -> Any:
    """A value that fits a type of the schema, with odd ones among them."""
    if isinstance(of, GraphQLNonNull):
        return given(dice, of.of_type)
    if dice.random() < 0.15:
        return dice.choice(VALUES)
    if isinstance(of, GraphQLList):
        return [given(dice, of.of_type) for _each in range(dice.randint(0, 3))]
    if isinstance(of, GraphQLInputObjectType):
        return {name: given(dice, field.type) for name, field in of.fields.items() if dice.random() < 0.6}
    if isinstance(of, GraphQLEnumType):
        return dice.choice(list(of.values))
    assert isinstance(of, GraphQLScalarType)
    texts = (
        "", "y", "12.8", "22/tcp", "EU-RO-1", "NVIDIA GeForce RTX 4090", "\0", "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "cpu3c-2-4", "cpu3c-²-4", f"cpu3c-{'9' * 4400}", IMAGE, "x" * 300, "\ud800", "99999/tcp", "{",
        '{"cmd": [[]]}', "'",
    )  # fmt: skip
    return {
        "Int": dice.choice((0, 1, 2, 8, 20, -1, 2**31 - 1, -(2**31))),
        "Float": dice.choice((0, 0.5, -1, 1e308)),
        "Boolean": dice.choice((True, False)),
    }.get(of.name, dice.choice(texts))


def roots() -> list[tuple[str, str, GraphQLField]]:
    found = []
    for kind, root in (("query", schema().query_type), ("mutation", schema().mutation_type)):
        found += [(kind, name, field) for name, field in (root.fields.items() if root is not None else ())]
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.usefixtures("no_failure")
def test_every_field_of_graphql_with_odd_input(api: Api, seed: int) -> None:
    dice = random.Random(seed)
    own = things(api)
    for kind, name, field in roots():
        for _turn in range(8):
            variables = {argument: given(dice, field.args[argument].type) for argument in field.args}
            if isinstance(variables.get("input"), dict) and "podId" in variables["input"] and dice.random() < 0.7:
                variables["input"]["podId"] = own["pods"]
            body = text_of({"query": document(kind, name, field), "variables": variables})
            check(send(api, "POST", "/graphql", data=body.encode("utf-8", "surrogatepass")))


QUERY = "query ($input: GpuLowestPriceInput!) { gpuTypes { lowestPrice(input: $input) { stockStatus } } }"


COUNTS = (Raw("1e400"), Raw("NaN"), Raw("1" + "0" * 400), 2**31, -1, 0, True, "1", "", [1], {}, 1.5)


@pytest.mark.parametrize("value", COUNTS)
@pytest.mark.usefixtures("no_failure")
def test_a_count_that_is_none(api: Api, value: Any) -> None:
    answer = send(api, "POST", "/graphql", data=text_of({"query": QUERY, "variables": {"input": {"gpuCount": value}}}))
    check(answer)
    assert answer.json().get("errors") or answer.json()["data"]["gpuTypes"] == [] or value == [1], answer.text


# As they were seen


@pytest.mark.usefixtures("no_failure")
def test_a_window_to_the_end_of_time(api: Api) -> None:
    api.running()
    for size in ("hour", "day", "week", "month", "year"):
        for family in ("", "/pods", "/network-volumes", "/clusters"):
            answer = api.get(f"/v2/billing{family}?endTime=9999-12-31T23:59:59Z&bucketSize={size}")
            assert answer.status_code == 200
            assert answer.json()["metadata"]["query"]["endTime"] == "9999-12-31T23:59:59Z"
    old = api.get("/v2/billing/pods?startTime=0001-01-01T00:00:00Z&bucketSize=year").json()
    assert old["metadata"]["query"]["startTime"] == "0001-01-01T00:00:00Z"
    assert old["metadata"]["recordCount"] == 1
    assert api.get("/v2/billing/pods?lastN=10000&bucketSize=year").json()["metadata"]["query"]["startTime"][:2] == "00"
    answer = api.get("/v2/billing/pods?endTime=10000-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["errors"]) == (
        422, ["$.endTime: '10000-01-01T00:00:00Z' is not valid date-time"],
    )  # fmt: skip


NO_TIMES = ("20261130T100000Z", "2026-W48-1T10:00:00Z", "2026-11-30", "2026-11-30T10:00Z", "12026-11-30T10:00:00Z")


@pytest.mark.parametrize("text", NO_TIMES)
def test_a_time_is_rfc_3339(api: Api, text: str) -> None:
    assert api.get(f"/v2/billing/pods?startTime={text}").status_code == 422


DEPLOY = "mutation ($i: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $i) { id } }"


@pytest.mark.usefixtures("no_failure")
def test_a_cuda_version_that_is_none(api: Api) -> None:
    wish = {"name": "x", "imageName": IMAGE, "gpuTypeId": "NVIDIA GeForce RTX 4090", "gpuCount": 1, "cloudType": "ALL"}
    for odd in ({"minCudaVersion": "y"}, {"allowedCudaVersions": ["y"]}, {"allowedCudaVersions": [None]}):
        answer = api.post("/graphql", {"query": DEPLOY, "variables": {"i": {**wish, **odd}}})
        assert answer.status_code == 200 and "errors" in answer.json(), answer.text
        assert answer.json()["errors"][0]["extensions"]["code"] == "RUNPOD"
    assert api.create(gpu={"id": wish["gpuTypeId"], "count": 1, "minCudaVersion": "y"}).status_code == 422
    long = {"id": wish["gpuTypeId"], "count": 1, "minCudaVersion": "9" * 4400 + ".1"}
    assert api.create(gpu=long).status_code == 400
    assert api.get("/v2/catalog/gpus?include=AVAILABILITY&product=POD&minCudaVersion=y").status_code == 422
    assert api.names() == []


@pytest.mark.usefixtures("no_failure")
def test_a_tail_that_is_a_list(api: Api) -> None:
    pod = api.running()
    tails = ("[1]", "NaN", "1e400", "9" * 400, "%D9%A1", "-1")
    for query in (*(f"tail={tail}" for tail in tails), "source=[1]", "since=[1]"):
        assert send(api, "GET", f"/v2/pods/{pod['id']}/logs?{query}").status_code == 422, query
    headers = {"Last-Event-ID": "2026-11-30T10:00:00Z/\xb2"}
    assert send(api, "GET", f"/v2/pods/{pod['id']}/logs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body", ["[" * 50_000 + "]" * 50_000, '{"a":' * 16_000 + "1" + "}" * 16_000, '{"size": NaN}', '{"size": 1e400}',
             '{"size": 1' + "0" * 400 + "}", '{"size": -Infinity}'],
)  # fmt: skip
@pytest.mark.usefixtures("no_failure")
def test_a_body_that_no_server_takes(api: Api, body: str) -> None:
    for path in ("/v2/network-volumes", "/v2/pods", "/v2/templates", "/v2/secrets"):
        answer = api.call("POST", path, data=body)
        assert (answer.status_code, answer.json()["detail"]) == (400, "request could not be processed")
    for path in ("/_sandbox/faults", "/_sandbox/settings"):
        assert api.call("POST" if path.endswith("faults") else "PATCH", path, data=body).status_code == 422


@pytest.mark.parametrize("size", [-1, 0, 9, 4097, True, "", "20", None, 20.5, [20], 10**18])
@pytest.mark.usefixtures("no_failure")
def test_a_size_that_is_none(api: Api, size: Any) -> None:
    answer = api.post("/v2/network-volumes", {**VOLUME, "size": size})
    assert (answer.status_code, answer.json()["detail"]) == (422, "Request validation failed.")


@pytest.mark.parametrize("text", ["a\\ud800", "\\udfff", "a\\u0000"])
@pytest.mark.usefixtures("no_failure")
def test_a_text_that_cannot_be_written_down(api: Api, text: str) -> None:
    answer = api.call("POST", "/v2/secrets", data=f'{{"name": "s", "value": "v", "description": "{text}"}}')
    assert (answer.status_code, answer.json()["detail"]) == (400, "request could not be processed")
    whole = api.call("POST", "/v2/secrets", data='{"name": "s", "value": "v", "description": "\\ud83c\\udf89"}')
    assert whole.json()["description"] == "\N{PARTY POPPER}"


@pytest.mark.usefixtures("no_failure")
def test_the_record_of_odd_exchanges(sandbox: ServerThread, api: Api, tmp_path: Any) -> None:
    assert api.call("PATCH", "/_sandbox/settings", json={"traffic": str(tmp_path / "traffic")}).status_code == 200
    for body in BODIES:
        check(send(api, "POST", "/v2/pods?%FF=%FE", data=body))
    (file,) = (tmp_path / "traffic").iterdir()
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["status"] >= 400 for line in lines] == [True] * len(BODIES)
