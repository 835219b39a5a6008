# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of runpod_pod against a scripted API: names, lists, CPU pods, locks, and what is refused for nothing."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

NAME = "notebook"
IMAGE = examples.RUNNING["image"]
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake run"
LIST, CREATE = expect("GET", "/v2/pods"), expect("POST", "/v2/pods")
NOTHING = LIST.reply({"pods": []})
CATALOGUE = expect("GET", "/v2/catalog/gpus").reply({"gpus": [examples.gpu(), examples.A100_PCIE]})
PLACES = expect("GET", "/v2/catalog/datacenters").reply(
    {"dataCenters": [{"id": name, "globalNetwork": name != "US-IL-1"} for name in ("EU-RO-1", "US-IL-1", "EU-CZ-1")]}
)
VOLUMES = expect("GET", "/v2/network-volumes").reply(
    {"networkVolumes": [{"id": "v1", "name": "data", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"}]}
)
TEMPLATE = {"id": "t1", "name": "torch", "image": IMAGE, "ports": ["22/tcp"], "serverless": False}
TEMPLATES = expect("GET", "/v2/templates").reply({"templates": [TEMPLATE]})
REGISTRIES = expect("GET", "/v2/registries").reply({"registries": [{"id": "r1", "name": "hub"}]})
CPUS = expect("GET", "/v2/catalog/cpus", query={"include": "AVAILABILITY", "product": "POD", "vcpuCount": "4"}).reply(
    {
        "cpus": [
            {
                "id": "cpu5c",
                "name": "Compute-Optimized",
                "vcpu": {"min": 2, "max": 32},
                "ramGbPerVcpu": 2.0,
                "price": {"securePerVcpu": 0.035},
                "availability": "HIGH",
            }
        ]
    }
)
NO_CAPACITY = "There are no longer any instances available with the requested specifications. Please refresh."
NO_DISK = "There are no longer any instances available with enough disk space."
RENT = {"name": NAME, "image": IMAGE, "gpus": ["4090"], "public_keys": [PUBLIC], "wait": False}


def made(**changes):
    return examples.pod(
        **{"id": "p1", "name": NAME, "disk": 20, "mounts": {}, "env": {"PUBLIC_KEY": PUBLIC}, **changes}
    )


def fresh(**changes):
    start = {"id": "p1", "name": NAME, "disk": 20, "mounts": {}, "env": {"PUBLIC_KEY": PUBLIC}}
    return examples.fresh(**{**start, **changes})


def listed(*pods):
    return LIST.reply({"pods": list(pods)})


def holding(**wanted):
    """A create whose body holds these fields."""
    return expect("POST", "/v2/pods", body=lambda body: all(body.get(name) == value for name, value in wanted.items()))


def patch(body, answer):
    return expect("PATCH", "/v2/pods/p1", body=body).reply(answer)


@pytest.fixture(name="ensure")
def ensuring(capsys, tmp_path):
    module = Runner(capsys, tmp_path)

    def ensure(*script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.2, "api_key": KEY, "api_url": api.url, **options}
            return how(runpod_pod.main, check, **given)

    return ensure


# -- names


@pytest.mark.parametrize("volume", [{"name": "data"}, {"id": "v1"}])
def test_a_network_volume_takes_the_pod_to_its_data_centre(ensure, volume):
    body = {"dataCenterIds": ["EU-RO-1"], "mounts": {"network": [{"volumeId": "v1", "path": "/workspace"}]}}
    script = (NOTHING, VOLUMES, PLACES, CATALOGUE, holding(**body).reply(fresh(), 201))
    result = ensure(*script, **RENT, network_volume=volume)
    assert result["attempts"][0]["region"] == "EU-RO-1"


def test_a_volume_in_one_of_the_listed_data_centres_decides_among_them(ensure):
    script = (NOTHING, VOLUMES, PLACES, CATALOGUE, holding(dataCenterIds=["EU-RO-1"]).reply(fresh(), 201))
    ensure(*script, **RENT, network_volume={"name": "data"}, data_centers=["us-il-1", "eu-ro-1"])


def test_a_template_decides_what_is_not_given(ensure):
    def body(sent):
        return sent["templateId"] == "t1" and not {"image", "ports", "disk"} & set(sent)

    script = (NOTHING, TEMPLATES, CATALOGUE, expect("POST", "/v2/pods", body=body).reply(fresh(), 201))
    ensure(*script, **{**RENT, "image": None}, template="torch")


def test_the_old_name_of_the_option_template_still_works(ensure):
    script = (NOTHING, TEMPLATES, CATALOGUE, holding(templateId="t1", disk=40).reply(fresh(), 201))
    ensure(*script, **RENT, template_id="t1", disk=40)


def test_credentials_are_found_by_their_name(ensure):
    script = (NOTHING, REGISTRIES, CATALOGUE, holding(registry="r1").reply(fresh(), 201))
    ensure(*script, **RENT, registry="hub")


def test_names_are_looked_up_in_check_mode_too(ensure):
    script = (NOTHING, REGISTRIES, VOLUMES, TEMPLATES, PLACES, CATALOGUE)
    options = {"registry": "hub", "template": "torch", "network_volume": {"name": "data", "path": "/data"}}
    result = ensure(*script, check=True, **RENT, **options)
    assert result["diff"]["after"]["registry"] == "r1"
    assert result["diff"]["after"]["mounts"][0]["volume_id"] == "v1"


def test_what_is_as_named_changes_nothing_and_what_the_pod_shows_is_not_looked_up(ensure):
    there = made(registry="r1", mounts={"network": [{"volumeId": "v1", "path": "/workspace"}]})
    options = {"template": "torch", "network_volume": {"id": "v1"}, "registry": "r1"}
    assert ensure(listed(there), **RENT, **options)["changed"] is False
    by_name = {**options, "network_volume": {"name": "data"}, "registry": "hub"}
    assert ensure(listed(there), REGISTRIES, VOLUMES, **RENT, **by_name)["changed"] is False
    assert ensure(listed(there), REGISTRIES, VOLUMES, check=True, **RENT, **by_name)["changed"] is False


# -- bad input


@pytest.mark.parametrize(
    ("options", "script", "words"),
    [
        (
            {"interruptible": True, "api_key": ""},
            (),
            ("option interruptible", "withdrew spot pods", "Leave the option"),
        ),
        ({"attempts": 0}, (), ("option attempts is 0", "at least 1")),
        ({"max_price": -1}, (), ("option max_price is -1", "a number above 0")),
        ({"poll_interval": 0}, (), ("option poll_interval is 0", "a number above 0")),
        ({"timeouts": {"port_open": -1}}, (), ("option timeouts.port_open is -1", "a number above 0")),
        ({"consistency_grace": -1}, (), ("option consistency_grace is -1", "at least 0 s")),
        ({"cpu": {"id": "cpu5c", "vcpu_count": 4}}, (), ("options gpus and cpu", "Leave one of them out")),
        (
            {"gpus": [], "gpu_count": 2, "cpu": {"id": "cpu5c", "vcpu_count": 4}},
            (),
            ("options gpu_count and cpu", "Leave one"),
        ),
        ({"gpus": []}, (NOTHING,), ("option gpus", "option cpu")),
        ({"volume": {"size": 50}, "network_volume": {"id": "v"}}, (), ("volume and network_volume", "Leave one")),
        ({"min_cuda_version": "12.8", "cuda_versions": ["12.8"]}, (), ("min_cuda_version and cuda_versions", "Leave")),
        ({"network_volume": {"path": "/data"}}, (), ("option network_volume", "give exactly one of them")),
        ({"network_volume": {"id": "v1", "name": "data"}}, (), ("'v1'", "'data'", "give exactly one of them")),
        ({"args": "sleep 1", "cmd": ["sleep", "1"]}, (), ("options args and cmd", "Leave one of them out")),
        ({"args": "sleep 1", "entrypoint": ["sleep"]}, (), ("options args and entrypoint",)),
        (
            {"network_volume": {"name": "data"}, "data_centers": ["us-il-1"]},
            (NOTHING, VOLUMES),
            ("data (v1)", "EU-RO-1", "data_centers allows US-IL-1", "leave data_centers out"),
        ),
        (
            {"network_volume": {"name": "data"}, "clouds": ["SECURE", "COMMUNITY"]},
            (NOTHING,),
            ("COMMUNITY", "network volume data", "take COMMUNITY out of clouds"),
        ),
        ({"network_volume": {"name": "dta"}}, (NOTHING, VOLUMES), ("'dta'", "data")),
        (
            {"template": "torc"},
            (NOTHING, TEMPLATES, expect("GET", "/v2/templates/torc").problem(404, "x")),
            ("'torc'",),
        ),
        ({"registry": "hbu"}, (NOTHING, REGISTRIES), ("'hbu'", "hub")),
        ({"data_centers": ["eu-ro-9"]}, (NOTHING, PLACES), ("'EU-RO-9'", "option data_centers", "EU-RO-1")),
        (
            {"data_centers": ["us-il-1"], "global_networking": True},
            (NOTHING, PLACES),
            ("US-IL-1", "option global_networking", "EU-CZ-1, EU-RO-1"),
        ),
        (
            {"gpus": [], "cpu": {"id": "cpu5c", "vcpu_count": 4}, "global_networking": True},
            (NOTHING,),
            ("option global_networking", "CPU pod", "leave it out"),
        ),
        ({"gpus": [], "cpu": {"id": "cpu5c", "vcpu_count": 6}}, (NOTHING,), ("cpu.vcpu_count is 6", "power of two")),
        ({"gpus": [], "cpu": {"id": "cpu9", "vcpu_count": 4}}, (NOTHING, CPUS), ("'cpu9'", "option cpu.id", "cpu5c")),
        (
            {"gpus": [], "cpu": {"id": "cpu5c", "vcpu_count": 4}, "volume": {"size": 50}},
            (NOTHING,),
            ("option volume", "CPU pods", "network_volume"),
        ),
        (
            {"gpus": ["A100 PCIe"], "clouds": ["COMMUNITY"]},
            (NOTHING, CATALOGUE),
            ("A100 PCIe is not for rent in the cloud COMMUNITY", "options gpus, gpu_count or clouds"),
        ),
        ({"gpu_count": 99}, (NOTHING, CATALOGUE), ("comes with at most 8 GPUs per pod", "gpu_count")),
        ({"env": {f"V{number}": "x" for number in range(50)}}, (NOTHING,), ("option env has 51", "the most is 50")),
        ({"env": {"A": "x" * 102400}}, (NOTHING,), ("option env", "the most is 102400")),
        ({"ports": ["22"], "wait": False}, (NOTHING,), ("option ports holds '22'", "22/tcp")),
        ({"ports": ["53/udp"], "wait": False}, (NOTHING,), ("option ports holds '53/udp'", "udp is not supported")),
        (
            {"template": "torch", "wait": True, "wait_for": "addressed", "image": None},
            (NOTHING, expect("GET", "/v2/templates").reply({"templates": [{**TEMPLATE, "ports": ["8888/http"]}]})),
            ("template t1 opens 8888/http", "Add the port"),
        ),
        (
            {"template": "torch"},
            (NOTHING, expect("GET", "/v2/templates").reply({"templates": [{**TEMPLATE, "serverless": True}]})),
            ("'torch'", "serverless"),
        ),
    ],
)
def test_what_is_wrong_is_a_sentence_before_anything_is_rented(ensure, options, script, words):
    for check in (False, True):
        message = ensure(*script, failing=True, check=check, **{**RENT, **options})["msg"]
        for word in words:
            assert word in message


# -- lists


def test_every_try_is_told_with_the_providers_own_words(ensure):
    script = (
        NOTHING,
        PLACES,
        CATALOGUE,
        CATALOGUE,
        holding(cloud="COMMUNITY", dataCenterIds=["US-IL-1"]).problem(400, NO_CAPACITY),
        holding(cloud="COMMUNITY", dataCenterIds=["EU-RO-1"]).problem(403, "access denied"),
        holding(cloud="SECURE", dataCenterIds=["US-IL-1"]).problem(400, NO_DISK),
        holding(cloud="SECURE", dataCenterIds=["EU-RO-1"]).reply(fresh(dataCenterId="EU-RO-1"), 201),
    )
    lists = {"clouds": ["COMMUNITY", "SECURE"], "data_centers": ["US-IL-1", "EU-RO-1"]}
    result = ensure(*script, **RENT, **lists)
    assert [(each["cloud"], each["region"], each["outcome"]) for each in result["attempts"]] == [
        ("COMMUNITY", "US-IL-1", "refused"),
        ("COMMUNITY", "EU-RO-1", "refused"),
        ("SECURE", "US-IL-1", "refused"),
        ("SECURE", "EU-RO-1", "rented"),
    ]
    assert [each["usd_per_hour"] for each in result["attempts"]] == [0.34, 0.34, 0.69, 0.69]
    assert [each["reason"] for each in result["attempts"]] == [
        NO_CAPACITY.rstrip("."),
        "access denied",
        NO_DISK.rstrip("."),
        None,
    ]


def test_by_price_the_service_chooses_among_the_data_centres(ensure):
    gpus = {"gpus": ["A100 PCIe", "4090"], "prefer": "price", "data_centers": ["us-il-1", "eu-ro-1"]}
    script = (
        NOTHING,
        PLACES,
        expect("GET", "/v2/catalog/gpus").reply(
            {
                "gpus": [
                    examples.gpu(),
                    {**examples.A100_PCIE, "dataCenters": [{"id": "EU-RO-1", "availability": "LOW"}]},
                ]
            }
        ),
        holding(gpu={"id": "NVIDIA GeForce RTX 4090", "count": 1}, dataCenterIds=["US-IL-1", "EU-RO-1"]).problem(
            400, NO_CAPACITY
        ),
        holding(gpu={"id": "NVIDIA A100 80GB PCIe", "count": 1}).reply(fresh(), 201),
    )
    result = ensure(*script, **{**RENT, **gpus})
    assert [(each["gpu"], each["region"]) for each in result["attempts"]] == [("RTX 4090", None), ("A100 PCIe", None)]


def test_what_was_not_tried_is_told_beside_what_was(ensure):
    a100 = {**examples.A100_PCIE, "availability": "NONE"}
    catalogue = expect("GET", "/v2/catalog/gpus").reply({"gpus": [examples.gpu(), a100]})
    script = (NOTHING, catalogue, CREATE.problem(400, NO_CAPACITY))
    message = ensure(*script, failing=True, **{**RENT, "gpus": ["4090", "A100 PCIe"]})["msg"]
    assert "Not tried, since the catalogue says so: A100 PCIe is out of stock in the cloud SECURE." in message


def test_no_stock_prints_the_filters_and_what_to_loosen(ensure):
    script = (NOTHING, PLACES, CATALOGUE, CREATE.problem(400, NO_CAPACITY))
    options = {"data_centers": ["eu-ro-1"], "cuda_versions": ["12.8"], "min_ram_per_gpu": 64}
    message = ensure(*script, failing=True, **RENT, **options)["msg"]
    for words in (
        NO_CAPACITY.rstrip("."),
        "1 x NVIDIA GeForce RTX 4090",
        "cloud SECURE",
        "disk 20 GB",
        "data centres EU-RO-1",
        "CUDA exactly 12.8",
        "64 GB of memory per GPU",
        "data_centers is kept strictly",
        "min_cuda_version finds more hosts",
    ):
        assert words in message


@pytest.mark.parametrize(
    ("status", "detail", "errors", "words"),
    [
        (401, "invalid api key", None, ("API key was refused",)),
        (402, "insufficient balance", None, ("insufficient balance", "Top up")),
        (404, "resource not found", None, ("resource not found", "option registry (r1)")),
        (413, "too large", None, ("options env and args",)),
        (
            422,
            "Request validation failed.",
            ["$.gpu: additional properties 'minRamPerGpu' not allowed"],
            ("does not know minRamPerGpu: leave the option min_ram_per_gpu out",),
        ),
        (422, "image x was not found on its registry", None, ("option image", "registry")),
        (409, "conflict", None, ("conflict", "in the console")),
    ],
)
def test_a_refusal_that_is_the_requests_or_the_accounts_is_the_last_try(ensure, status, detail, errors, words):
    script = (NOTHING, REGISTRIES, CATALOGUE, CREATE.problem(status, detail, errors))
    options = {"gpus": ["4090", "A100 PCIe"], "registry": "hub"}
    result = ensure(*script, failing=True, **{**RENT, **options})
    assert len(result["attempts"]) == 1
    for word in words:
        assert word in result["msg"]


def test_a_refusal_by_all_with_403_is_the_key(ensure):
    script = (NOTHING, CATALOGUE, CREATE.problem(403, "access denied"), CREATE.problem(403, "access denied"))
    result = ensure(*script, failing=True, **{**RENT, "gpus": ["4090", "A100 PCIe"]})
    assert "Every offer was refused so" in result["msg"]
    assert len(result["attempts"]) == 2


def test_a_403_that_is_no_json_ends_it_at_once(ensure):
    script = (NOTHING, CATALOGUE, CREATE.reply("error code: 1010", 403))
    result = ensure(*script, failing=True, **{**RENT, "gpus": ["4090", "A100 PCIe"]})
    assert "1010" in result["msg"]
    assert result["failure"]["kind"] == "Blocked"


def test_an_unknown_400_is_tried_once_more_and_then_taken_for_the_request(ensure):
    fault = 'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput"'
    script = (NOTHING, CATALOGUE, CATALOGUE, CREATE.problem(400, fault), CREATE.problem(400, fault))
    options = {"gpus": ["4090", "A100 PCIe"], "clouds": ["SECURE", "COMMUNITY"]}
    result = ensure(*script, failing=True, **{**RENT, **options})
    assert fault in result["msg"]
    assert "between RunPod's own services" in result["msg"]
    assert len(result["attempts"]) == 2


# -- CPU pods


CPU = {"name": NAME, "image": IMAGE, "cpu": {"id": "cpu5c", "vcpu_count": 4}, "public_keys": [PUBLIC], "wait": False}
CPU_POD = made(gpu=..., cpu={"id": "cpu5c", "vcpuCount": 4, "memory": 8}, cost=0.14)


def test_a_cpu_pod(ensure):
    body = {"cpu": {"id": "cpu5c", "vcpuCount": 4}, "gpu": None, "cloud": "SECURE"}
    script = (NOTHING, CPUS, holding(**body).reply({**CPU_POD, "status": "PROVISIONING"}, 201))
    result = ensure(*script, **CPU, max_price=0.14)
    assert result["pod"]["cpu"] == {"id": "cpu5c", "vcpu_count": 4, "memory_gb": 8.0}
    assert (result["attempts"][0]["gpu"], result["attempts"][0]["cpu"]) == (None, "4 vCPUs of cpu5c")
    assert ensure(listed(CPU_POD), **CPU)["changed"] is False
    assert ensure(listed(CPU_POD), check=True, **CPU)["changed"] is False
    predicted = ensure(NOTHING, CPUS, check=True, **CPU)
    assert (predicted["changed"], predicted["pod"]["usd_per_hour"]) == (True, 0.14)


def test_a_pod_with_gpus_is_no_cpu_pod(ensure):
    assert "cpu: it has 1 x RTX 4090" in ensure(listed(made()), failing=True, **CPU)["msg"]
    assert "gpus: it is a CPU pod" in ensure(listed(CPU_POD), failing=True, **RENT)["msg"]


# -- start command


@pytest.mark.parametrize(
    ("options", "args"),
    [
        ({"cmd": ["bash", "-lc", "python x"]}, "bash -lc 'python x'"),
        (
            {"entrypoint": ["/bin/sh", "-c"], "cmd": ["sleep 1"]},
            '{"entrypoint": ["/bin/sh", "-c"], "cmd": ["sleep 1"]}',
        ),
    ],
)
def test_entrypoint_and_cmd_become_args(ensure, options, args):
    # Without an SSH server to start, nothing is put around the command.
    options = {**options, "start_ssh": False}
    ensure(NOTHING, CATALOGUE, holding(args=args).reply(fresh(args=args), 201), **RENT, **options)
    assert ensure(listed(made(args=args)), **RENT, **options)["changed"] is False
    assert ensure(listed(made(args=args.replace('": [', '":['))), **RENT, **options)["changed"] is False
    assert ensure(listed(made()), check=True, **RENT, **options, allow_reset=True)["changed"] is True


def test_an_empty_command_gives_the_images_own_back(ensure):
    script = (listed(made(args="sleep 1")), patch({"args": ""}, made()))
    assert ensure(*script, **RENT, cmd=[], allow_reset=True)["changed"] is True
    assert ensure(listed(made()), **RENT, cmd=[])["changed"] is False
    ensure(NOTHING, CATALOGUE, expect("POST", "/v2/pods", body=lambda body: "args" not in body).reply(fresh(), 201),
           **RENT, args="")  # fmt: skip


# -- changes


def test_credentials_and_ports_can_be_taken_away(ensure):
    there = made(registry="r1")
    options = {"registry": "", "ports": [], "allow_reset": True}
    script = (listed(there), patch({"registry": None, "ports": []}, made(ports=[])))
    result = ensure(*script, **RENT, **options)
    assert (result["changed"], result["diff"]["after"]["registry"]) == (True, None)
    assert ensure(listed(made(ports=[])), **RENT, **options)["changed"] is False


def test_a_reset_is_refused_and_the_diff_says_what_it_would_cost(ensure):
    there = made(mounts={"persistent": {"size": 50, "path": "/workspace"}})
    for check in (False, True):
        refused = ensure(listed(there), failing=True, check=check, **RENT, disk=40)
        assert "change its disk resets the container: everything outside /workspace is lost" in refused["msg"]
        assert "set allow_reset to true" in refused["msg"]
        assert refused["diff"]["after"]["effect"] == "resets the container: everything outside /workspace is lost"
        assert "effect" not in refused["diff"]["before"]
    allowed = ensure(listed(there), check=True, **RENT, disk=40, allow_reset=True)
    assert allowed["diff"]["after"]["effect"].endswith("everything outside /workspace is lost")
    stopped = {**there, "status": "EXITED", "runtime": None, "ssh": None}
    free = ensure(listed(stopped), check=True, **RENT, disk=40)
    assert free["changed"] is True
    assert "effect" not in free["diff"]["after"]


def test_a_change_that_the_service_would_refuse_is_not_sent(ensure):
    for options, words in (
        ({"ports": ["53/udp"]}, "option ports holds '53/udp'"),
        ({"disk": 0}, "option disk is 0"),
        ({"env": {f"V{number}": "x" for number in range(51)}}, "option env has"),
    ):
        message = ensure(listed(made()), failing=True, **RENT, **options, allow_reset=True)["msg"]
        assert words in message
        assert "was not changed" in message


def test_the_path_of_a_mount_can_change_and_the_size_can_grow(ensure):
    there = made(mounts={"persistent": {"size": 50, "path": "/workspace"}})
    body = {"mounts": {"persistent": {"size": 80, "path": "/data"}}}
    script = (listed(there), expect("GET", "/v2/pods/p1").reply(there), patch(body, there))
    assert ensure(*script, **RENT, volume={"size": 80, "path": "/data"}, allow_reset=True)["changed"] is True
    assert ensure(listed(there), **RENT, volume={"size": 50})["changed"] is False
    assert "volume.path" in ensure(
        listed(there), failing=True, **RENT, volume={"size": 50, "path": "data"}, allow_reset=True
    )["msg"]  # fmt: skip


def test_global_networking_changes_without_a_reset(ensure):
    script = (listed(made()), patch({"globalNetworking": True}, made()))
    assert ensure(*script, **RENT, global_networking=True)["changed"] is True
    there = made(globalNetworking={"enabled": True, "internalDns": "p1.runpod.internal"})
    again = ensure(listed(there), **RENT, global_networking=True)
    assert (again["changed"], again["pod"]["internal_host"]) == (False, "p1.runpod.internal")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus": ["A40"]}, "gpus: its GPU is RTX 4090, but you asked for A40"),
        ({"gpu_count": 2}, "gpu_count: it has 1 GPUs, but you asked for 2"),
        ({"clouds": ["COMMUNITY"]}, "clouds: it is in the cloud SECURE, but you asked for COMMUNITY"),
        ({"data_centers": ["us-1"]}, "data_centers: it is in EU-RO-1, but you asked for US-1"),
        ({"min_cuda_version": "12.11"}, "min_cuda_version: its host has CUDA 12.8, but you asked for 12.11"),
        ({"cuda_versions": ["12.4"]}, "cuda_versions: its host has CUDA 12.8, but you asked for 12.4"),
        ({"volume": {"size": 50}}, "volume: it has no volume disk, but you asked for 50 GB"),
    ],
)
def test_what_cannot_be_changed_names_the_option_both_values_and_a_remedy(ensure, options, words):
    message = ensure(listed(made()), failing=True, **{**RENT, **options})["msg"]
    assert words in message
    assert "End it first (state absent)" in message


# -- locks


LOCKED = made(locked=True)
UNLOCK = patch({"locked": False}, made())
GONE = expect("GET", "/v2/pods/p1").problem(404, "resource not found")


def test_a_pod_is_locked_when_it_was_rented(ensure):
    script = (NOTHING, CATALOGUE, CREATE.reply(fresh(), 201), patch({"locked": True}, LOCKED))
    result = ensure(*script, **RENT, locked=True)
    assert (result["pod"]["locked"], result["diff"]["after"]["locked"]) == (True, True)
    assert ensure(listed(LOCKED), **RENT, locked=True)["changed"] is False
    assert ensure(NOTHING, CATALOGUE, check=True, **RENT, locked=True)["diff"]["after"]["locked"] is True


def test_a_lock_is_put_on_and_taken_off(ensure):
    assert ensure(listed(made()), patch({"locked": True}, LOCKED), **RENT, locked=True)["changed"] is True
    assert ensure(listed(LOCKED), UNLOCK, **RENT, locked=False)["changed"] is True
    assert ensure(listed(LOCKED), check=True, **RENT, locked=False)["diff"]["after"]["locked"] is False
    assert ensure(listed(LOCKED), **RENT)["changed"] is False


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_a_locked_pod_is_let_be_and_the_message_says_how(ensure, state):
    for check in (False, True):
        message = ensure(listed(LOCKED), failing=True, check=check, name=NAME, state=state)["msg"]
        assert "is locked" in message
        assert "Set locked to false" in message


def test_a_locked_pod_is_changed_only_after_it_was_unlocked(ensure):
    assert "Set locked to false" in ensure(listed(LOCKED), failing=True, **RENT, disk=40, allow_reset=True)["msg"]
    script = (listed(LOCKED), UNLOCK, patch({"disk": 40}, made(disk=40)))
    assert ensure(*script, **RENT, disk=40, allow_reset=True, locked=False)["changed"] is True


def test_a_locked_pod_is_stopped_when_it_may_be_unlocked(ensure):
    exited = made(status="EXITED", cost=0.0, runtime=None, ssh=None)
    stop = expect("POST", "/v2/pods/p1/action", body={"action": "stop"}).reply(exited)
    script = (listed(LOCKED), UNLOCK, stop, listed(exited))
    result = ensure(*script, name=NAME, state="stopped", locked=False)
    assert result["diff"]["after"]["locked"] is False


def test_a_locked_pod_is_ended_when_it_may_be_unlocked(ensure):
    end = expect("DELETE", "/v2/pods/p1").reply(status=204)
    script = (listed(LOCKED), UNLOCK, end, NOTHING, GONE, NOTHING, GONE)
    assert ensure(*script, name=NAME, state="absent", locked=False)["pods_gone"][0]["gone_proved"] is True


# -- a start that fails


@pytest.mark.parametrize(
    ("mounts", "words"),
    [
        ({"network": [{"volumeId": "v1", "path": "/workspace"}]}, "network volume v1 is safe there: end this pod"),
        ({"persistent": {"size": 50, "path": "/workspace"}}, "What is in /workspace is on that one host"),
        ({}, "nothing is lost: end it"),
    ],
)
@pytest.mark.parametrize("status", [400, 409, 500])
def test_a_start_without_a_free_gpu_says_what_becomes_of_the_data(ensure, mounts, words, status):
    exited = made(status="EXITED", cost=0.0, runtime=None, ssh=None, mounts=mounts)
    taken = "There are not enough free GPUs on the host machine to start this pod."
    start = expect("POST", "/v2/pods/p1/action", body={"action": "start"}).problem(status, taken)
    result = ensure(listed(exited), start, failing=True, **RENT, state="running")
    assert taken.rstrip(".") in result["msg"]
    assert words in result["msg"]
    assert result["failure"]["kind"] == "NoCapacity"


def test_a_lock_that_fails_is_a_warning_for_the_pod_is_there(ensure, capsys):
    script = (NOTHING, CATALOGUE, CREATE.reply(fresh(), 201), expect("PATCH", "/v2/pods/p1").problem(404, "not found"))
    result = ensure(*script, **RENT, locked=True)
    assert (result["changed"], result["pod"]["locked"]) == (True, False)
    assert any("was rented but not locked" in str(warning) for warning in result["warnings"])


def test_global_networking_says_when_it_takes_effect(ensure):
    result = ensure(listed(made()), patch({"globalNetworking": True}, made()), **RENT, global_networking=True)
    assert any("only with its next start or restart" in str(warning) for warning in result["warnings"])
