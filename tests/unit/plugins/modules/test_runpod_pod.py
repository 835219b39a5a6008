# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module runpod_pod against a scripted API, with stand-ins for the OpenSSH programs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import threading

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.modules import runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

NAME = "podyard-digits-r1-0"
IMAGE = examples.RUNNING["image"]
SECRET = "hf_averysecrettoken"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake run"
LIST, CREATE = expect("GET", "/v2/pods"), expect("POST", "/v2/pods")
NOTHING = LIST.reply({"pods": []})
CATALOGUE = expect("GET", "/v2/catalog/gpus").reply({"gpus": [examples.gpu(), examples.A100_PCIE]})
NO_CAPACITY = "There are no longer any instances available with the requested specifications."
RENT = {"name": NAME, "image": IMAGE, "gpus": ["4090"], "public_keys": [PUBLIC], "wait_for": "addressed"}
ENV = {"PUBLIC_KEY": PUBLIC}


def made(**changes):
    return examples.pod(**{"id": "p1", "name": f"{NAME}-1", "disk": 20, "mounts": {}, "env": ENV, **changes})


def fresh(**changes):
    return examples.fresh(**{"id": "p1", "name": f"{NAME}-1", "disk": 20, "mounts": {}, "env": ENV, **changes})


def get(pod):
    return expect("GET", "/v2/pods/p1").reply(pod)


def listed(*pods):
    return LIST.reply({"pods": list(pods)})


GONE = expect("GET", "/v2/pods/p1").problem(404, "resource not found")
END = expect("DELETE", "/v2/pods/p1").reply(status=204)
ENDED = (END, NOTHING, GONE, NOTHING, GONE)


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.2, "api_key": KEY, "api_url": api.url, **options}
            return how(runpod_pod.main, check, **given)

    return ensure


# -- renting


def test_a_pod_is_rented_with_everything_that_was_asked_for(ensure, module, tmp_path):
    body = {
        "name": f"{NAME}-1",
        "image": IMAGE,
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "12.8"},
        "cloud": "SECURE",
        "disk": 40,
        "mounts": {"persistent": {"size": 50, "path": "/workspace"}},
        "ports": ["22/tcp", "8888/http"],
        "env": {"HF_TOKEN": SECRET, "DEBUG": "true", "N": "3", "PUBLIC_KEY": PUBLIC},
        "startSsh": True,
    }
    run_dir = tmp_path / "run"
    script = (
        NOTHING,
        NOTHING,
        CATALOGUE,
        expect("POST", "/v2/pods", body=body).reply(fresh(), 201),
        listed(fresh(status="STARTING")),
        listed(made(env=body["env"])),
    )
    result = ensure(
        *script,
        **{**RENT, "disk": 40, "ports": ["22/tcp", "8888/http"]},
        volume={"size": 50},
        min_cuda_version="12.8",
        env={"HF_TOKEN": SECRET, "DEBUG": True, "N": 3},
        max_price=0.7,
        run_dir=str(run_dir),
    )
    pod = result["pod"]
    assert result["changed"] is True
    assert (pod["id"], pod["stage"], pod["usd_per_hour"]) == ("p1", "addressed", 0.69)
    assert pod["endpoint"] == {"host": "203.0.113.9", "port": 34446, "user": "root", "mode": "direct"}
    assert result["attempts"][0]["outcome"] == "rented"
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["env"]["HF_TOKEN"] == "(set)"
    assert SECRET not in module.printed
    assert KEY not in module.printed
    assert [event["event"] for event in Ledger(run_dir).read()] == ["creating", "created"]


@pytest.mark.parametrize("state", ["present", "running"])
def test_what_is_there_changes_nothing(ensure, state):
    result = ensure(listed(made()), **RENT, state=state)
    assert (result["changed"], result["attempts"], result["pods_gone"]) == (False, [], [])
    assert result["diff"]["before"] == result["diff"]["after"]


def test_check_mode_rents_nothing_and_predicts_the_pod(ensure):
    result = ensure(NOTHING, NOTHING, CATALOGUE, check=True, **RENT)
    assert result["changed"] is True
    assert (result["pod"]["id"], result["pod"]["name"]) == (None, f"{NAME}-1")
    assert result["diff"]["after"]["usd_per_hour"] == 0.69


def test_check_mode_of_what_is_there(ensure):
    assert ensure(listed(made()), check=True, **RENT)["changed"] is False


def test_without_waiting_the_answer_of_the_create_is_the_result(ensure):
    result = ensure(NOTHING, NOTHING, CATALOGUE, CREATE.reply(fresh(), 201), **{**RENT, "wait": False})
    assert (result["pod"]["phase"], result["pod"]["stage"]) == ("provisioning", "rented")


def test_an_answer_that_is_lost_does_not_make_a_second_pod(ensure):
    script = (NOTHING, NOTHING, CATALOGUE, CREATE.drop(), listed(fresh()), listed(made()), listed(made()))
    result = ensure(*script, **RENT)
    assert result["pod"]["id"] == "p1"


def test_a_create_that_answers_500_though_the_pod_exists_is_adopted(ensure):
    script = (NOTHING, NOTHING, CATALOGUE, CREATE.problem(500, "oh"), NOTHING, listed(made()), listed(made()))
    assert ensure(*script, **RENT)["pod"]["id"] == "p1"


def test_the_next_offer_is_tried_and_every_attempt_told(ensure):
    second = made(name=f"{NAME}-2", gpu={"id": "NVIDIA A100 80GB PCIe", "count": 1}, cost=1.64)
    script = (NOTHING, NOTHING, CATALOGUE, CREATE.problem(400, NO_CAPACITY), CREATE.reply(second, 201))
    result = ensure(*script, **{**RENT, "gpus": ["4090", "A100 PCIe"]})
    assert [(attempt["gpu"], attempt["outcome"]) for attempt in result["attempts"]] == [
        ("RTX 4090", "refused"),
        ("A100 PCIe", "rented"),
    ]
    assert result["attempts"][0]["reason"] == NO_CAPACITY.rstrip(".")


def test_no_capacity_tells_what_was_tried(ensure):
    result = ensure(NOTHING, NOTHING, CATALOGUE, CREATE.problem(400, NO_CAPACITY), failing=True, **RENT)
    assert NO_CAPACITY.rstrip(".") in result["msg"]
    assert "disk 20 GB" in result["msg"]
    assert result["failure"]["kind"] == "NoCapacity"
    assert len(result["attempts"]) == 1


def test_a_pod_that_does_not_get_ready_is_ended_before_the_task_fails(ensure):
    log = expect("GET", "/v2/pods/p1/logs").stream(json.dumps({"line": "no such image"}))
    script = (NOTHING, NOTHING, CATALOGUE, CREATE.reply(fresh(status="ERROR"), 201), log, *ENDED)
    result = ensure(*script, failing=True, **RENT)
    assert "failed (the provider says ERROR)" in result["msg"]
    assert "no such image" in result["msg"]
    assert [(pod["id"], pod["gone_proved"]) for pod in result["pods_gone"]] == [("p1", True)]


def test_a_contract_above_the_cap_is_given_back(ensure):
    script = (NOTHING, NOTHING, CATALOGUE, CREATE.reply(fresh(cost=0.99), 201), *ENDED)
    result = ensure(*script, failing=True, max_price=0.7, **RENT)
    assert "USD 0.99 per hour, above the cap of USD 0.70" in result["msg"]
    assert result["pods_gone"][0]["gone_proved"] is True


@pytest.mark.parametrize(
    ("options", "script", "words"),
    [
        ({"gpus": ["4091"]}, (NOTHING, NOTHING, CATALOGUE), "no GPU '4091'"),
        ({"gpus": []}, (NOTHING,), "name the GPUs"),
        ({"max_price": 0.5}, (NOTHING, NOTHING, CATALOGUE), "above the cap of USD 0.50 per hour"),
        ({"ports": ["8888/http"]}, (NOTHING,), "without 22/tcp"),
        ({"public_keys": [], "wait_for": "port_open"}, (NOTHING,), "without a public key"),
        ({"public_keys": ["null"]}, (), "not a public SSH key"),
        ({"env": {"T": KEY}}, (NOTHING,), "holds the account's API key"),
        ({"interruptible": True}, (), "withdrew spot pods"),
        ({"volume": {"size": 5}}, (NOTHING,), "option volume.size is 5"),
        ({"private_key_file": "/missing/key"}, (), "private key /missing/key does not exist"),
        ({"api_url": "http://api.example.com"}, (), "unencrypted"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_rented(ensure, options, script, words):
    result = ensure(*script, failing=True, **{**RENT, **options})
    assert words in result["msg"]
    assert result["attempts"] == []


def test_after_the_run_was_given_back_nothing_is_rented(ensure, tmp_path):
    fence.raise_fence(tmp_path / "run")
    result = ensure(NOTHING, NOTHING, CATALOGUE, failing=True, run_dir=str(tmp_path / "run"), **RENT)
    assert "given back already" in result["msg"]
    assert result["failure"]["kind"] == "Fenced"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": None}, "one of the following is required: name, id"),
        ({"state": "paused"}, "value of state must be one of"),
        ({"clouds": ["ALL"]}, "value of clouds must be one or more of"),
        ({"imag": "x"}, "Unsupported parameters"),
    ],
)
def test_options_are_checked(ensure, options, words):
    assert words in ensure(failing=True, **{**RENT, **options})["msg"]


# -- changing


def test_a_change_of_a_running_pod_must_be_allowed(ensure):
    result = ensure(listed(made()), failing=True, **RENT, disk=40)
    assert "allow_reset" in result["msg"]


def test_a_change_is_one_patch_of_what_differs(ensure, module):
    new = made(disk=40, startedAt="2026-10-01T11:00:00Z", env={"A": SECRET, **ENV})
    patch = expect("PATCH", "/v2/pods/p1", body={"disk": 40, "env": {"A": SECRET, **ENV}}).reply(new)
    script = (listed(made()), patch)
    result = ensure(*script, **RENT, disk=40, env={"A": SECRET}, allow_reset=True)
    assert result["changed"] is True
    assert (result["diff"]["before"]["disk_gb"], result["diff"]["after"]["disk_gb"]) == (20, 40)
    assert result["diff"]["after"]["env"] == {"A": "(set)", "PUBLIC_KEY": "(set)"}
    assert SECRET not in module.printed


def test_check_mode_of_a_change(ensure):
    result = ensure(listed(made()), check=True, **RENT, disk=40, allow_reset=True)
    assert (result["changed"], result["pod"]["disk_gb"]) == (True, 40)


# -- stop, start, restart


EXITED = made(status="EXITED", cost=0.0, runtime=None, ssh=None, actions=["start", "terminate"])


def action(name, pod):
    return expect("POST", "/v2/pods/p1/action", body={"action": name}).reply(pod)


def test_a_stop(ensure, module):
    disk = {"persistent": {"size": 50, "path": "/workspace"}}
    result = ensure(
        listed(made(mounts=disk)),
        action("stop", made(mounts=disk)),
        listed(made(mounts=disk)),
        listed(EXITED),
        name=NAME,
        state="stopped",
    )
    assert (result["changed"], result["pod"]["phase"]) == (True, "stopped")
    assert "USD 10.00 per month" in " ".join(module.printed.split())
    again = ensure(listed(EXITED), name=NAME, state="stopped")
    assert again["changed"] is False
    assert ensure(listed(made()), name=NAME, state="stopped", check=True)["changed"] is True
    assert ensure(listed(EXITED), name=NAME, state="stopped", check=True)["changed"] is False


def test_a_start(ensure):
    script = (listed(EXITED), action("start", EXITED), get(EXITED), listed(fresh(status="STARTING")), listed(made()))
    result = ensure(*script, **RENT, state="running")
    assert (result["changed"], result["pod"]["stage"]) == (True, "addressed")
    assert result["diff"]["after"]["phase"] == "running"
    assert ensure(listed(EXITED), check=True, **RENT, state="running")["changed"] is True


def test_a_restart_is_done_each_time(ensure):
    again = made(startedAt="2026-10-01T12:00:00Z")
    for _time in range(2):
        script = (listed(made()), action("restart", made()), get(made()), listed(again))
        assert ensure(*script, **RENT, state="restarted")["changed"] is True
    assert ensure(listed(made()), check=True, **RENT, state="restarted")["changed"] is True


def test_a_restart_that_is_illegal_says_what_is_allowed(ensure):
    refused = expect("POST", "/v2/pods/p1/action").problem(409, "action restart is not valid for status STARTING")
    starting = fresh(status="STARTING")
    result = ensure(listed(starting), refused, get(starting), failing=True, **RENT, state="restarted")
    assert "not valid for status STARTING" in result["msg"]
    assert "allows: stop, terminate" in result["msg"]


# -- absent


def test_an_end(ensure):
    result = ensure(listed(made()), *ENDED, name=NAME, state="absent")
    assert (result["changed"], result["pod"]) == (True, None)
    assert result["pods_gone"][0]["gone_proved"] is True
    assert result["diff"]["before"]["name"] == f"{NAME}-1"
    assert result["diff"]["after"] == {}
    assert ensure(NOTHING, NOTHING, name=NAME, state="absent")["changed"] is False
    assert ensure(listed(made()), name=NAME, state="absent", check=True)["changed"] is True
    assert ensure(NOTHING, NOTHING, name=NAME, state="absent", check=True)["changed"] is False


def test_an_end_by_id(ensure):
    result = ensure(get(made()), *ENDED, id="p1", state="absent")
    assert result["changed"] is True
    assert ensure(GONE, GONE, NOTHING, id="p1", state="absent")["changed"] is False


def test_an_end_that_is_not_proved_says_how_to_do_it_by_hand(ensure):
    refused = expect("DELETE", "/v2/pods/p1").problem(401, "invalid api key")
    result = ensure(listed(made()), refused, failing=True, name=NAME, state="absent")
    for words in ("p1", "runpod", "USD 0.69 per hour", "invalid api key", "curl -X DELETE"):
        assert words in result["msg"]


# -- all the way to ready


@contextlib.contextmanager
def ssh_server():
    """Something on loopback that sends an SSH banner to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve():
            server.settimeout(0.05)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _address = server.accept()
                    with connection:
                        connection.sendall(b"SSH-2.0-test\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join(30)


BLOB = base64.b64encode(b"host key").decode()
FINGERPRINT = "SHA256:" + base64.b64encode(hashlib.sha256(b"host key").digest()).decode().rstrip("=")


@pytest.fixture(name="programs")
def made_programs(tmp_path, monkeypatch):
    """Stand-ins for OpenSSH's programs that write down how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    answers = {
        "ssh": 'echo podyard:begin; echo "podyard:python=3.12.3 /usr/bin/python3"; echo podyard:end',
        "ssh-keyscan": f'echo "[127.0.0.1]:$4 ssh-ed25519 {BLOB}"',
        "ssh-keygen": f'echo "{PUBLIC}"',
    }
    for name, answer in answers.items():
        (folder / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >> {calls}\n{answer}\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


def test_a_pod_is_waited_for_until_it_runs_a_command(ensure, programs, tmp_path):
    key, hosts, progress = tmp_path / "key", tmp_path / "run" / "known_hosts", tmp_path / "progress"
    key.write_text("private")
    log = expect("GET", "/v2/pods/p1/logs").stream(json.dumps({"line": f"256 {FINGERPRINT} root@pod (ED25519)"}))
    with ssh_server() as port:
        up = made(ssh={"direct": {"host": "127.0.0.1", "port": port, "username": "root"}})
        result = ensure(
            *(NOTHING, NOTHING, CATALOGUE, CREATE.reply(up, 201), log),
            **{**RENT, "wait_for": "ready"},
            private_key_file=str(key),
            known_hosts_file=str(hosts),
            progress_file=str(progress),
        )
    pod = result["pod"]
    assert (pod["stage"], pod["python"], pod["python_version"]) == ("ready", "/usr/bin/python3", "3.12.3")
    assert pod["host_key_checking"] == "strict"
    assert hosts.read_text() == f"[127.0.0.1]:{port} ssh-ed25519 {BLOB}\n"
    ssh = [line for line in programs.read_text().splitlines() if line.startswith("ssh -")]
    assert len(ssh) == 1
    assert '"$p"' in ssh[0]
    assert f"IdentityFile={key}" in ssh[0]
    assert "ready after" in progress.read_text().splitlines()[-1]


def test_a_key_that_would_not_open_the_pod_is_refused_before_anything_is_rented(ensure, programs, tmp_path):
    (tmp_path / "key").write_text("private")
    other = "ssh-ed25519 AAAAC3NzaOther other"
    result = ensure(
        failing=True, **{**RENT, "wait_for": "ready", "public_keys": [other]}, private_key_file=str(tmp_path / "key")
    )
    assert "opens none of the public keys" in result["msg"]


def test_without_the_openssh_client_nothing_is_rented(ensure, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(runpod_pod.AnsibleModule, "get_bin_path", lambda module, name: None)
    result = ensure(failing=True, **{**RENT, "wait_for": "ready"})
    assert "ssh, ssh-keyscan, ssh-keygen" in result["msg"]


def test_values_of_the_environment_do_not_mask_the_result(ensure):
    value = "/workspace"
    disk = {"persistent": {"size": 50, "path": value}}
    env = {"HOME_OF_MODELS": value, "ONE": "1", **ENV}
    result = ensure(
        listed(made(mounts=disk, env=env)),
        **{**RENT, "env": {"HOME_OF_MODELS": value, "ONE": 1}, "volume": {"size": 50}},
    )
    assert result["changed"] is False
    assert result["pod"]["mounts"][0]["path"] == value
    assert result["pod"]["name"] == f"{NAME}-1"
    # Before 2.21, ansible-core returned a module's arguments with its result.
    invocation = result.get("invocation")
    assert invocation is None or invocation["module_args"]["env"] == {
        "HOME_OF_MODELS": "(not shown)", "ONE": "(not shown)",
    }  # fmt: skip
