# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a cloud answers, a driver says what is known or raises one of our errors, and never anything else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors, values
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Pod
from ansible_collections.podyard.gpu.plugins.module_utils._http import session as session_module
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.account import RunPodAccount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import session as vast_session
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.account import VastAccount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.provider import Vast
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.session import VastSession
from ansible_collections.podyard.gpu.plugins.module_utils._resources.resource import BillQuery
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud
from ansible_collections.podyard.gpu.tests.unit.fakes.odd_answers import OddCloud, assert_finite, conversations
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows, talk

KEY, URL = "rpa_odd_answers_0123456789", "http://127.0.0.1:9"
# Conversations of each operation with one odd value; every body that is odd as a whole is tried beside.
SAMPLE = 80


def runpod_answer(method: str, path: str) -> Any:
    """RunPod's real answers."""
    if path == "/graphql":
        return {"data": {"myself": {"clientBalance": 5.5, "currentSpendPerHr": 0.1, "spendLimit": 80}}}
    if path == "/v2/catalog/gpus":
        return {"gpus": [wire_examples.RTX_4090]}
    if path == "/v2/catalog/datacenters":
        return {"dataCenters": [{"id": "EU-RO-1", "name": "EU Romania 1", "globalNetwork": True}]}
    if path.startswith("/v2/billing"):
        row = {"podId": "a", "totalAmount": 1.5, "timeBilledMs": 10, "startTime": "2026-10-01T00:00:00Z"}
        return {"records": [row], "metadata": {"query": {"bucketSize": "day"}, "totals": {"totalAmount": 1.5}}}
    if path == "/v2/pods" and method == "GET":
        return {"pods": [wire_examples.RUNNING], "pagination": {"hasNextPage": False, "nextCursor": None}}
    if path.startswith("/v2/network-volumes"):
        return {"networkVolumes": [{"id": "agv6w2qcg7", "name": "data", "size": 20, "dataCenter": "EU-RO-1"}]}
    if path.startswith("/v2/templates"):
        return {"templates": [{"id": "t1", "name": "mine", "image": "a/b:c", "disk": 20, "env": {"A": "b"}}]}
    if path.startswith("/v2/account"):
        return {"keys": [rows.KEY_LINE]}
    return wire_examples.RUNNING


CHARGE = {
    "type": "instance", "source": "instance-5", "start": 1.79e9, "end": 1.79e9, "amount": 1.5,
    "items": [{"type": "gpu", "amount": 1.5}], "metadata": {"label": "x", "invoice_id": 7},
}  # fmt: skip
VAST = {
    talk.ASK: {"success": True, "new_contract": 12345678},
    talk.LIST: talk.listed(rows.instance()),
    talk.USER: {"id": 1, "credit": 12.5, "balance": 0.0, "email": "a@b"},
    talk.NAMES: {"gpu_names": ["RTX 4090", "H100 SXM"]},
    talk.SEARCH: {"offers": [rows.offer()]},
    "/api/v0/charges/": {"results": [CHARGE], "next_token": None},
    "/api/v0/volumes/": {
        "volumes": [{"id": 7, "disk_space": 20, "machine_id": 1, "storage_total_cost": 0.1, "label": "data"}]
    },
    "/api/v0/template/": {"templates": [{"hash_id": "abc", "id": 5, "name": "mine", "image": "a/b", "env": "-e A=b"}]},
    f"GET {talk.KEYS}": [{"id": 5, "public_key": rows.KEY_LINE}],
    f"GET {talk.ONE}ssh/": {"success": True, "ssh_keys": json.dumps([{"id": 5, "public_key": rows.KEY_LINE}])},
    f"GET {talk.ONE}": {"instances": rows.instance()},
}


def vast_answer(method: str, path: str) -> Any:
    """Vast.ai's real answers."""
    return VAST.get(path) or VAST.get(f"{method} {path}") or {"success": True}


def runpod() -> tuple[RunPod, RunPodAccount]:
    session = session_module.ApiSession("RunPod", URL, KEY, clock=cloud.FakeTime().clock)
    return RunPod(KEY, URL, session=session), RunPodAccount(KEY, URL, session=session)


def vast() -> tuple[Vast, VastAccount]:
    session = VastSession(URL, KEY, scale=0.0, clock=cloud.FakeTime().clock)
    return Vast(KEY, URL, scale=0.0, session=session), VastAccount(KEY, URL, session=session)


QUERY = OfferQuery(gpus=("RTX 4090",), gpu_count=1, disk_gb=20.0)


def told(account_api: Any, kind: str) -> list[Any]:
    """Every object of a kind in our words."""
    store = account_api.store(kind)
    return [(store.resource.read(raw), store.resource.label(raw)) for raw in store.all()]


def one(driver: Any, request: Any) -> Pod:
    return Pod(driver.name, "12345678", request.name, "running")


OPERATIONS: dict[str, Any] = {
    "offers": lambda driver, account_api, request: driver.offers(QUERY),
    "near_offers": lambda driver, account_api, request: driver.near_offers(QUERY),
    "create": lambda driver, account_api, request: driver.create(request),
    "settle": lambda driver, account_api, request: driver.finish_create(one(driver, request), request),
    "start_once": lambda driver, account_api, request: driver.start_once(one(driver, request)),
    "get": lambda driver, account_api, request: driver.get_pod("12345678"),
    "list": lambda driver, account_api, request: driver.list_pods(),
    "start": lambda driver, account_api, request: driver.start("12345678"),
    "stop": lambda driver, account_api, request: driver.stop("12345678"),
    "restart": lambda driver, account_api, request: driver.restart("12345678"),
    "rename": lambda driver, account_api, request: driver.update("12345678", {"name": "x"}),
    "environment": lambda driver, account_api, request: driver.update("12345678", {"env": {"A": "b"}}),
    "terminate": lambda driver, account_api, request: driver.terminate("12345678"),
    "account": lambda driver, account_api, request: driver.account(),
    "template": lambda driver, account_api, request: driver.find("template", "mine"),
    "volume": lambda driver, account_api, request: driver.find("network_volume", "data"),
    "bills": lambda driver, account_api, request: account_api.bills(BillQuery()),
    "keys": lambda driver, account_api, request: account_api.keys().read(),
    "templates": lambda driver, account_api, request: told(account_api, "template"),
}
PROVIDERS = {
    "runpod": (runpod, runpod_answer, cloud.request("x")),
    "vastai": (vast, vast_answer, talk.request()),
}


def plain(value: Any) -> Any:
    """A result without our classes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


@pytest.fixture(name="wire")
def _wire(monkeypatch):
    """Puts a cloud in the place of the wire."""

    def speak(found: OddCloud) -> OddCloud:
        monkeypatch.setattr(session_module.ApiSession, "_send", lambda api, *args, **kw: found.send(api, *args, **kw))
        return found

    monkeypatch.setattr(vast_session, "fetch_without_key", lambda *_args, **_more: (200, "log"))
    return speak


def done(name: str, operation: str) -> Any:
    make, _answer, request = PROVIDERS[name]
    return OPERATIONS[operation](*make(), request)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_no_answer_ends_in_anything_but_a_result_or_one_of_our_errors(wire, name, operation):
    answer = PROVIDERS[name][1]
    good = wire(OddCloud(answer))
    done(name, operation)
    for found in conversations(answer, good.asked, seed=len(operation), most=SAMPLE):
        wire(found)
        try:
            result = plain(done(name, operation))
        except errors.CloudError:
            continue
        except Exception as error:
            words = f"{type(error).__name__}: {error} with {found.asked}, {found.status}, {found.body[:400]!r}"
            raise AssertionError(words) from error
        assert_finite(result)


NO_ID = [None, True, 10**400, [], {}, ["x"], {"id": 1}, "", " ", "a b", "../x", "y" * 10_000, -1, 1.5]
NO_BODY = ["NaN", "[]", "null", "", "<html>", "[" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000]


@pytest.mark.parametrize("odd", [*NO_ID, *(body.encode() for body in NO_BODY)], ids=lambda odd: repr(odd)[:20])
@pytest.mark.parametrize(("name", "field"), [("runpod", "id"), ("vastai", "new_contract")])
def test_a_create_whose_answer_names_no_pod_is_ambiguous(wire, name, field, odd):
    make, answer, request = PROVIDERS[name]
    place = {"runpod": ("POST", "/v2/pods"), "vastai": ("PUT", talk.ASK)}[name]
    number = {"runpod": 0, "vastai": 1}[name]
    body = odd if isinstance(odd, bytes) else json.dumps({**answer(*place), field: odd}).encode()
    found = wire(OddCloud(answer, number, body))
    with pytest.raises(errors.Ambiguous):
        OPERATIONS["create"](*make(), request)
    assert found.asked[number:] == [place]


PRICES = (
    '"secure": 0.69', '"community": 0.34', '"dph_total": 0.3725', '"dph_total": 0.3615', '"dph_base": 0.36',
    '"cost": 0.69',
)  # fmt: skip


@pytest.mark.parametrize("price", ["NaN", "-1", "-Infinity", '"nan"', "1e400", "[]", "true", '"-0.5"'])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_price_that_is_none_is_unknown_and_never_cheap(wire, name, price):
    def send(_session: Any, method: str, path: str, *_others: Any, **_more: Any) -> Any:
        text = json.dumps(PROVIDERS[name][1](method, path))
        for number in PRICES:
            text = text.replace(number, f"{number.partition(':')[0]}: {price}")
        return session_module.decode(200, text.encode(), {})

    found = OddCloud(PROVIDERS[name][1])
    found.send = send  # type: ignore[method-assign]
    wire(found)
    assert done(name, "get").usd_per_hour is None
    offers = done(name, "offers")
    assert offers
    assert {offer.usd_per_hour for offer in offers} == {None}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", '{"a": NaN}', '{"a": [1e999]}'])
def test_a_number_that_is_none_is_read_as_null(text):
    assert session_module.decode(200, text.encode(), {}).data in (None, {"a": None}, {"a": [None]})


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), "nan", "inf", "1e999", True, [], {}, "x", None])
def test_what_is_no_number_is_none(value):
    assert values.number(value) is None
    assert values.integer(value) is None


@pytest.mark.parametrize("value", [True, 1.5, [], {}, "", " ", "a b", "a/b", "x" * 129, "a\nb", None, "-x", ".."])
def test_what_is_no_id_is_none(value):
    assert values.identifier(value) is None


@pytest.mark.parametrize(("value", "found"), [("7h9k2m", "7h9k2m"), (12, "12"), (" a-b_c ", "a-b_c")])
def test_an_id_is_text(value, found):
    assert values.identifier(value) == found
