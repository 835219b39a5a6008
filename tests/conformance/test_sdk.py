# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's own Python SDK believes the sandbox: every function of its API, and its command line for pods."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sdk as tool
from harness import Cloud, ran, wait_for
from sdk import Raised, Sdk

pytestmark = pytest.mark.skipif(not tool.READY, reason=tool.ABSENT)

IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
GPU = "NVIDIA GeForce RTX 4090"
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox with real pods."""
    sandbox = Cloud(tmp_path_factory.mktemp("sandbox"))
    sandbox.up()
    yield sandbox
    sandbox.down()


@pytest.fixture(autouse=True)
def nothing_left(cloud: Cloud) -> Iterator[None]:
    """No pod and no fault of one test reaches the next."""
    yield
    cloud.clear_faults()
    for pod in rest(cloud, "GET", "/v2/pods").json()["pods"]:
        rest(cloud, "DELETE", f"/v2/pods/{pod['id']}")


@pytest.fixture(scope="module")
def process(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """The SDK's process: one for all tests, since its import alone takes more than a second."""
    client = Sdk(tmp_path_factory.mktemp("sdk") / "home", cloud.settings["RUNPOD_API_BASE_URL"])
    yield client
    client.close()


@pytest.fixture
def sdk(process: Sdk, cloud: Cloud) -> Sdk:
    """The SDK with the account's key, and with nothing that another test has configured."""
    process.api_key(cloud.settings["RUNPOD_API_KEY"])
    shutil.rmtree(process.home / ".runpod", ignore_errors=True)
    return process


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private SSH key; the public one is beside it."""
    return new_key(tmp_path / "key")


def new_key(path: Path) -> Path:
    made = ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", str(path)])
    assert made.returncode == 0, made.stderr
    return path


def public(key: Path) -> str:
    return key.with_name(key.name + ".pub").read_text(encoding="utf-8").strip()


def rest(cloud: Cloud, method: str, path: str, **options: Any) -> requests.Response:
    """The other API, to see the same cloud from there."""
    headers = {"Authorization": f"Bearer {cloud.settings['RUNPOD_API_KEY']}"}
    url = cloud.settings["RUNPOD_API_BASE_URL"] + path
    answer = requests.request(method, url, headers=headers, timeout=60, **options)
    assert answer.status_code < 400, answer.text
    return answer


def with_port(sdk: Sdk, pod_id: str) -> dict[str, Any]:
    """The pod, once it has its port for SSH, as the SDK's own users look for it."""

    def look() -> dict[str, Any] | None:
        pod = sdk.get_pod(pod_id)
        return pod if pod["runtime"] and ssh_ports(pod) else None

    return wait_for(look, "the pod's port for SSH")


def ssh_ports(pod: dict[str, Any]) -> list[tuple[str, int]]:
    ports = pod["runtime"]["ports"]
    return [(port["ip"], port["publicPort"]) for port in ports if port["privatePort"] == 22 and port["isIpPublic"]]


def log_in(pod: dict[str, Any], key: Path, command: str) -> subprocess.CompletedProcess[str]:
    host, port = ssh_ports(pod)[0]
    options = ["IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=no"]
    options += ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=30"]
    words = [word for option in options for word in ("-o", option)]
    return ran(["ssh", "-F", "none", "-i", str(key), *words, "-p", str(port), f"root@{host}", command])


def answering(pod: dict[str, Any], key: Path) -> dict[str, Any]:
    """The pod, once its SSH server lets the key in."""
    wait_for(lambda: log_in(pod, key, "true").returncode == 0, "the pod's SSH server")
    return pod


def test_every_function_of_the_sdk_is_tried_here(sdk: Sdk) -> None:
    tried = set(re.findall(r"\bsdk\.(\w+)\(", Path(__file__).read_text(encoding="utf-8")))
    offered = set(sdk.functions())
    assert len(offered) == 17
    assert offered <= tried


def test_gpus(sdk: Sdk) -> None:
    gpus = {gpu["id"]: gpu for gpu in sdk.get_gpus()}
    assert gpus[GPU] == {"id": GPU, "displayName": "RTX 4090", "memoryInGb": 24}
    gpu = sdk.get_gpu(GPU, gpu_quantity=2)
    assert (gpu["securePrice"], gpu["communityPrice"], gpu["maxGpuCount"]) == (0.69, 0.34, 8)
    assert gpu["lowestPrice"]["uninterruptablePrice"] == 0.34
    with pytest.raises(Raised, match=r"ValueError: No GPU found") as raised:
        sdk.get_gpu("NVIDIA Abacus")
    assert raised.value.kind == "builtins.ValueError"


def test_a_pod_from_the_create_to_the_end(sdk: Sdk, cloud: Cloud, key: Path) -> None:
    sdk.update_user_settings(public(key))  # start_ssh, which is the SDK's default, hands the account's keys to the pod
    made = sdk.create_pod(
        "sdk-cycle",
        IMAGE,
        GPU,
        ports="22/tcp, 8888/http",
        volume_in_gb=20,
        volume_mount_path="/workspace",
        env={"GREETING": "hello from the SDK"},
        allowed_cuda_versions=["12.8"],
        country_code="RO",
    )
    assert made["imageName"] == IMAGE
    assert made["env"] == ["GREETING=hello from the SDK"]
    assert made["machine"]["podHostId"].startswith(made["id"] + "-")
    early = sdk.get_pod(made["id"])
    assert early["desiredStatus"] == "RUNNING", "the state that is wanted, from the first moment on"
    pod = answering(with_port(sdk, made["id"]), key)
    assert (pod["name"], pod["gpuCount"], pod["costPerHr"]) == ("sdk-cycle", 1, 0.69)
    assert pod["machine"]["gpuDisplayName"] == "RTX 4090"
    inside = log_in(pod, key, "echo kept >/workspace/file; tr '\\0' '\\n' </proc/1/environ")
    assert "GREETING=hello from the SDK" in inside.stdout.splitlines()
    other = rest(cloud, "GET", f"/v2/pods/{made['id']}").json()
    assert (other["name"], other["status"], other["dataCenterId"]) == ("sdk-cycle", "RUNNING", "EU-RO-1")

    assert sdk.stop_pod(made["id"]) == {"id": made["id"], "desiredStatus": "EXITED"}
    assert [(each["id"], each["desiredStatus"], each["runtime"]) for each in sdk.get_pods()] == [
        (made["id"], "EXITED", None)
    ]
    assert sdk.resume_pod(made["id"], 1)["desiredStatus"] == "RUNNING"

    def kept() -> bool:  # the port from before the stop is shown for some reads more
        return log_in(with_port(sdk, made["id"]), key, "cat /workspace/file").stdout == "kept\n"

    wait_for(kept, "the pod's SSH server after the stop")
    assert sdk.terminate_pod(made["id"]) is None
    assert sdk.get_pod(made["id"]) is None
    assert sdk.get_pods() == []
    assert cloud.living("sdk-cycle") == []


def test_a_network_volume_brings_its_data_center(sdk: Sdk, cloud: Cloud) -> None:
    body = {"name": "data", "size": 20, "dataCenter": "EU-SE-1"}
    volume = rest(cloud, "POST", "/v2/network-volumes", json=body).json()
    wanted = {"id": volume["id"], "name": "data", "size": 20, "dataCenterId": "EU-SE-1"}
    assert sdk.get_user()["networkVolumes"] == [wanted]
    made = sdk.create_pod("with-volume", IMAGE, "NVIDIA RTX A6000", network_volume_id=volume["id"])
    other = rest(cloud, "GET", f"/v2/pods/{made['id']}").json()
    assert other["mounts"] == {"network": [{"volumeId": volume["id"], "path": "/runpod-volume"}]}
    assert wait_for(lambda: rest(cloud, "GET", f"/v2/pods/{made['id']}").json()["dataCenterId"], "a place") == "EU-SE-1"
    sdk.terminate_pod(made["id"])
    rest(cloud, "DELETE", f"/v2/network-volumes/{volume['id']}")


def test_a_pod_from_a_template(sdk: Sdk, cloud: Cloud) -> None:
    credential = sdk.create_container_registry_auth("ghcr", "me", "secret")
    made = sdk.create_template(
        "sdk-template",
        "ghcr.io/me/trainer:1",
        docker_start_cmd='bash -c "sleep infinity"',
        container_disk_in_gb=30,
        volume_in_gb=50,
        volume_mount_path="/workspace",
        ports="22/tcp, 8888/http",
        env={"FROM": "template", "BOTH": "template"},
        registry_auth_id=credential["id"],
    )
    assert made == {
        "id": made["id"],
        "name": "sdk-template",
        "imageName": "ghcr.io/me/trainer:1",
        "dockerArgs": 'bash -c "sleep infinity"',
        "containerDiskInGb": 30,
        "volumeInGb": 50,
        "volumeMountPath": "/workspace",
        "ports": "22/tcp,8888/http",
        "env": [{"key": "FROM", "value": "template"}, {"key": "BOTH", "value": "template"}],
        "isServerless": False,
    }
    with pytest.raises(Raised, match=r"QueryError: .*unique"):
        sdk.create_template("sdk-template", "another/image:1")
    pod = sdk.create_pod("from-template", gpu_type_id="NVIDIA A40", template_id=made["id"], env={"BOTH": "pod"})
    other = rest(cloud, "GET", f"/v2/pods/{pod['id']}").json()
    assert (other["image"], other["disk"], other["registry"]) == ("ghcr.io/me/trainer:1", 30, credential["id"])
    assert other["env"] == {"FROM": "template", "BOTH": "pod"}
    assert other["args"] == 'bash -c "sleep infinity"'
    with pytest.raises(Raised, match=r"QueryError: .*in use"):
        sdk.delete_container_registry_auth(credential["id"])
    sdk.terminate_pod(pod["id"])
    assert sdk.delete_container_registry_auth(credential["id"]) is True
    assert [template["registry"] for template in rest(cloud, "GET", "/v2/templates").json()["templates"]] == [None]


def test_a_cpu_pod(sdk: Sdk, cloud: Cloud) -> None:
    made = sdk.create_pod("cpu", "runpod/base:1.0.2-ubuntu2404", instance_id="cpu5c-4-8", ports="22/tcp")
    pod = with_port(sdk, made["id"])
    assert (pod["gpuCount"], pod["vcpuCount"], pod["machine"]["gpuDisplayName"]) == (0, 4, None)
    other = rest(cloud, "GET", f"/v2/pods/{made['id']}").json()
    assert other["cpu"] == {"id": "cpu5c", "vcpuCount": 4, "memory": 8}


def test_registry_credentials(sdk: Sdk, cloud: Cloud) -> None:
    made = sdk.create_container_registry_auth("docker-hub", "me", "secret")
    assert made["name"] == "docker-hub"
    assert rest(cloud, "GET", "/v2/registries").json()["registries"] == [made]
    assert sdk.update_container_registry_auth(made["id"], "me", "new secret") == made
    assert sdk.delete_container_registry_auth(made["id"]) is True
    assert rest(cloud, "GET", "/v2/registries").json()["registries"] == []
    with pytest.raises(Raised, match=r"runpod\.error\.QueryError"):
        sdk.update_container_registry_auth(made["id"], "me", "newer secret")


def test_user_settings(sdk: Sdk, cloud: Cloud) -> None:
    keys = ["ssh-ed25519 AAAA me@laptop", "ssh-ed25519 BBBB me@desk"]
    changed = sdk.update_user_settings("\n".join(keys))
    assert changed["pubKey"] == "\n".join(keys)
    assert sdk.get_user() == {**changed, "networkVolumes": []}
    assert rest(cloud, "GET", "/v2/account/ssh-keys").json() == {"keys": keys}
    sdk.update_user_settings("")
    assert rest(cloud, "GET", "/v2/account/ssh-keys").json() == {"keys": []}


def test_what_is_not_stood_in_for_is_said(sdk: Sdk) -> None:
    assert sdk.get_endpoints() == []
    with pytest.raises(Raised, match=r"QueryError: podyard-sandbox does not implement serverless endpoints"):
        sdk.create_endpoint("endpoint", "a-template")
    with pytest.raises(Raised, match=r"QueryError: podyard-sandbox does not implement serverless endpoints"):
        sdk.update_endpoint_template("an-endpoint", "a-template")


def test_a_bad_key(sdk: Sdk) -> None:
    sdk.api_key("rpa_wrong")
    with pytest.raises(Raised) as raised:
        sdk.get_user()
    assert raised.value.kind == "runpod.error.AuthenticationError"
    assert raised.value.text == "Unauthorized request, please check your API key."
    sdk.api_key("")
    with pytest.raises(Raised, match="AuthenticationError: No API key provided"):
        sdk.get_pods()


def test_a_key_for_one_call(sdk: Sdk, cloud: Cloud) -> None:
    sdk.api_key("rpa_wrong")
    good = cloud.settings["RUNPOD_API_KEY"]
    assert sdk.get_pods(api_key=good) == []
    assert sdk.get_gpu(GPU, api_key=good)["id"] == GPU


@pytest.mark.parametrize(
    "wish",
    [
        {"gpu_type_id": GPU, "gpu_count": 9},
        {"gpu_type_id": "AMD Instinct MI300X OAM"},
        {"gpu_type_id": GPU, "data_center_id": "AP-JP-1"},
        {"gpu_type_id": GPU, "country_code": "JP"},
        {"gpu_type_id": GPU, "allowed_cuda_versions": ["11.8"]},
        {"instance_id": "cpu9z-2-4"},
    ],
)
def test_no_capacity(sdk: Sdk, wish: dict[str, Any]) -> None:
    with pytest.raises(Raised) as raised:
        sdk.create_pod("no-capacity", IMAGE, **wish)
    assert (raised.value.kind, raised.value.text) == ("runpod.error.QueryError", NO_CAPACITY)
    assert sdk.get_pods() == []


def test_no_capacity_by_a_fault_that_leaves_the_other_cloud(sdk: Sdk, cloud: Cloud) -> None:
    cloud.fault("no-capacity", "--param", "cloud=SECURE")
    with pytest.raises(Raised, match="QueryError: There are no longer any instances"):
        sdk.create_pod("refused", IMAGE, GPU, cloud_type="SECURE")
    made = sdk.create_pod("taken", IMAGE, GPU)  # cloud_type ALL is the SDK's default
    assert rest(cloud, "GET", f"/v2/pods/{made['id']}").json()["cloud"] == "COMMUNITY"


def test_pods_that_are_not_there(sdk: Sdk) -> None:
    assert sdk.get_pod("nosuchpod") is None
    for call in (lambda: sdk.stop_pod("nosuchpod"), lambda: sdk.resume_pod("nosuchpod", 1)):
        with pytest.raises(Raised, match=r"runpod\.error\.QueryError: pod not found"):
            call()
    with pytest.raises(Raised, match="QueryError: pod not found to terminate"):
        sdk.terminate_pod("nosuchpod")


def test_a_create_that_is_refused_by_a_500_although_the_pod_was_made(sdk: Sdk, cloud: Cloud) -> None:
    cloud.fault("create-500-but-made")
    with pytest.raises(Raised, match=r"QueryError: Something went wrong\. Please try again later or contact support\."):
        sdk.create_pod("made-all-the-same", IMAGE, GPU)
    assert [pod["name"] for pod in sdk.get_pods()] == ["made-all-the-same"]


def test_the_command_line_keeps_the_key_and_adds_ssh_keys(sdk: Sdk, cloud: Cloud) -> None:
    checked = sdk.command("config", "--check")
    assert checked.returncode == 1
    assert sdk.command("config", cloud.settings["RUNPOD_API_KEY"]).returncode == 0
    assert sdk.command("config", "--check").returncode == 0
    sdk.update_user_settings("ssh-ed25519 AAAA me@laptop")
    added = sdk.command("ssh", "add-key", answers="y\nfrom the command line\n")
    assert added.returncode == 0, added.stderr
    keys = rest(cloud, "GET", "/v2/account/ssh-keys").json()["keys"]
    assert [key.split()[0] for key in keys] == ["ssh-ed25519", "ssh-rsa"]
    listed = sdk.command("ssh", "list-keys")
    assert "me@laptop" in listed.stdout and "from-the-command-line" in listed.stdout, listed.stderr


def test_the_command_line_works_with_pods(sdk: Sdk, cloud: Cloud, tmp_path: Path) -> None:
    sdk.command("config", cloud.settings["RUNPOD_API_KEY"])
    (sdk.home / ".runpod" / "ssh").mkdir(parents=True)
    key = new_key(sdk.home / ".runpod" / "ssh" / "mine")
    sdk.update_user_settings(public(key))
    created = sdk.command("pod", "create", "from-the-cli", answers="y\n")
    assert created.returncode == 0, created.stderr
    other = sdk.create_pod("second", IMAGE, GPU, ports="22/tcp", volume_in_gb=20, volume_mount_path="/workspace")["id"]
    (first,) = [pod["id"] for pod in sdk.get_pods() if pod["name"] == "from-the-cli"]
    assert f"Pod {first} has been created." in created.stdout
    listed = sdk.command("pod", "list").stdout
    assert re.search(rf"{first} +\| +from-the-cli +\| +RUNNING +\| +runpod/base:0\.0\.0", listed), listed

    pod = answering(with_port(sdk, first), key)
    target = answering(with_port(sdk, other), key)
    session = sdk.command("pod", "connect", first, answers="echo $((6 * 7)) on $RUNPOD_POD_ID\nexit\n")
    assert "42 on" in session.stdout, session.stderr
    (sdk.home / "job.py").write_text("print('unused')\n", encoding="utf-8")
    executed = sdk.command("exec", "python", "--pod_id", first, "job.py")
    assert executed.returncode == 0, executed.stderr
    assert log_in(pod, key, "cat /root/job.py").stdout == "print('unused')\n"

    assert log_in(pod, key, "mkdir -p /workspace/data && echo 1 >/workspace/data/file").returncode == 0
    synced = sdk.command("pod", "sync", first, other)
    assert "Files transferred: 1" in synced.stdout, synced.stdout + synced.stderr
    assert log_in(target, key, "cat /workspace/sync_*/data/file").stdout == "1\n"
