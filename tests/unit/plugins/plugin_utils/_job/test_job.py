# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job: what is converted, what is refused with which sentence, and what follows from good values."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.names import is_run_id
from ansible_collections.podyard.gpu.plugins.plugin_utils._job import data, spec
from ansible_collections.podyard.gpu.plugins.plugin_utils._job import job as job_module
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.job import BadJob
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.spec import Problem
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.account_keys import AccountKeys

SPEC = Path(job_module.__file__).absolute().parents[3] / "roles" / "train" / "meta" / "argument_specs.yml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample me@home"


@pytest.fixture(name="options", scope="module")
def _options():
    return spec.load(SPEC)


@pytest.fixture(name="given")
def _given(tmp_path, monkeypatch):
    """A good job, called from a directory of its own by a user with a home of their own."""
    home = tmp_path / "home"
    for directory in ("code", "data", "home/.ssh"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "code" / "train.py").write_text("pass")
    (tmp_path / "data" / "labels.csv").write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    return {
        "train_name": "digits",
        "train_gpus": ["RTX 4090"],
        "train_image": "runpod/pytorch:1.0.2",
        "train_code": "code",
        "train_dataset": "data",
        "train_command": "python train.py",
    }


def fill(name, value, late):
    """Stands in for Ansible's templating: replaces {{ name }} by a late value."""
    if isinstance(value, dict):
        return {key: fill(name, entry, late) for key, entry in value.items()}
    if isinstance(value, list):
        return [fill(name, entry, late) for entry in value]
    if not isinstance(value, str):
        return value

    def replace(found):
        if found[1] not in late:
            raise Problem(f"'{found[1]}' is undefined")
        return late[found[1]]

    return re.sub(r"\{\{ (\w+) \}\}", replace, value)


def build(options, given, **changes):
    return job_module.build(options, {**given, **changes}, fill)


def faults(options, given, **changes):
    with pytest.raises(BadJob) as refusal:
        build(options, given, **changes)
    return refusal.value.problems


class TestGoodJob:
    def test_what_follows_from_it(self, options, given, tmp_path):
        job = build(options, given, train_run_id="r1")
        assert (job["run_id"], job["project"]) == ("r1", "digits")
        assert job["identity"] == "podyard-digits-r1-0" and job["pod_prefix"] == "podyard-digits-r1-"
        assert job["run_dir"] == str(tmp_path / "runs" / "r1")
        base = "/workspace/podyard/digits"
        assert job["dirs"] == {
            "mount": "/workspace",
            "base": base,
            "code": f"{base}/runs/r1/code",
            "data": f"{base}/runs/r1/data",
            "run": f"{base}/runs/r1",
            "output": f"{base}/runs/r1/output",
        }

    def test_defaults_and_every_declared_name(self, options, given):
        job = build(options, given)
        assert {f"train_{name}" for name in job} >= set(options)
        assert (job["gpu_count"], job["clouds"], job["max_hours"], job["max_cost"]) == (1, [], 24.0, None)

    def test_places_by_either_name(self, options, given):
        job = build(options, given, train_regions=["SE", "EU-RO-1"], train_data_centers="EU-RO-1,US-GA-1")
        assert job["regions"] == ["SE", "EU-RO-1", "US-GA-1"]

    def test_memory_says_which_gpu_will_do(self, options, given):
        assert build(options, {**given, "train_gpus": None}, train_min_gpu_memory=24)["gpus"] is None

    def test_a_new_run_id_each_time(self, options, given):
        first, second = build(options, given)["run_id"], build(options, given)["run_id"]
        assert is_run_id(first) and first != second

    def test_late_names(self, options, given):
        job = build(
            options,
            given,
            train_run_id="r1",
            train_mount_path="/data/",
            train_command="go {{ train_dataset_dir }} {{ train_output_dir }} {{ train_code_dir }} {{ train_run_id }}",
            train_env={"OUT": "{{ train_output_dir }}"},
        )
        base = "/data/podyard/digits"
        assert job["command"] == f"go {base}/runs/r1/data {base}/runs/r1/output {base}/runs/r1/code r1"
        assert job["env"] == {"OUT": f"{base}/runs/r1/output"}

    def test_no_directory_of_another_run(self, options, given):
        """On storage that both mount, what one sends must not touch what the other one trains with."""
        first, second = (build(options, given, train_run_id=run)["dirs"] for run in ("r1", "r2"))
        assert {first[name] for name in ("code", "data", "output")}.isdisjoint(second.values())

    def test_a_name_in_prose(self, options, given):
        assert build(options, given, train_name="My Digits, second try!")["project"] == "my-digits-second-try"


class TestSharedData:
    """On a network volume data are sent once, to a directory that is named after their content."""

    def test_the_same_content_has_the_same_place(self, options, given, tmp_path):
        wish = {"train_network_volume": "v1", "train_command": "train {{ train_dataset_dir }}"}
        first = build(options, given, train_run_id="r1", **wish)
        os.utime(tmp_path / "data" / "labels.csv", (1, 1))
        second = build(options, given, train_run_id="r2", **wish)
        place = f"/workspace/podyard/digits/datasets/{first['dataset_digest'][:16]}"
        assert first["dirs"]["data"] == second["dirs"]["data"] == place
        assert first["command"] == f"train {place}"
        assert first["dirs"]["code"] != second["dirs"]["code"]

    def test_other_content_has_another(self, options, given, tmp_path):
        (tmp_path / "data" / "more").write_text("2")
        found = set()
        for change in ({}, {"train_dataset_exclude": ["more"]}, {"train_dataset_exclude": ["labels.csv"]}):
            found.add(build(options, given, train_network_volume="v1", **change)["dirs"]["data"])
        (tmp_path / "data" / "empty").mkdir()
        found.add(build(options, given, train_network_volume="v1")["dirs"]["data"])
        (tmp_path / "data" / "link").symlink_to("more")
        found.add(build(options, given, train_network_volume="v1")["dirs"]["data"])
        assert len(found) == 5

    def test_it_is_what_will_be_sent(self, options, given, tmp_path):
        """A file with the key of an account stays at home, and is no part of it."""
        plain = build(options, given, train_network_volume="v1")["dataset_digest"]
        (tmp_path / "data" / "keys").write_text("secret-of-an-account")
        job = {"dataset": str(tmp_path / "data"), "dataset_exclude": []}
        assert data.dataset_digest(job, AccountKeys({"runpod": ["secret-of-an-account"]})) == plain
        assert data.dataset_digest(job, AccountKeys({})) != plain

    def test_files_of_the_run_among_the_data_make_them_its_own(self, options, given):
        entry = {"dest": "{{ train_dataset_dir }}/run.env", "content": "run={{ train_run_id }}"}
        job = build(options, given, train_run_id="r1", train_network_volume="v1", train_files=[entry])
        assert job["dirs"]["data"] == "/workspace/podyard/digits/runs/r1/data"
        assert [each["dest"] for each in job["files"]] == ["/workspace/podyard/digits/runs/r1/data/run.env"]
        assert job["dataset_digest"] is None

    def test_nothing_is_read_for_a_disk_that_ends_with_the_pod(self, options, given, monkeypatch):
        monkeypatch.setattr(data, "hash_tree", lambda *_arguments: pytest.fail("it was read"))
        assert build(options, given)["dataset_digest"] is None
        assert build(options, {**given, "train_dataset": None}, train_network_volume="v1")["dataset_digest"] is None

    def test_data_that_cannot_be_read_are_told_by_the_plan(self, options, given, tmp_path):
        (tmp_path / "data" / "lost").symlink_to("/no/such/file")
        assert build(options, given, train_network_volume="v1")["dataset_digest"] is None


CONVERSIONS = [
    ("train_gpu_count", "2", 2),
    ("train_gpu_count", " 2 ", 2),
    ("train_gpu_count", 2.0, 2),
    ("train_max_price", "0.80", 0.8),
    ("train_max_price", 1, 1.0),
    ("train_gpus", "RTX 4090, L40S", ["RTX 4090", "L40S"]),
    ("train_gpus", "RTX 4090\nL40S\n", ["RTX 4090", "L40S"]),
    ("train_gpus", '["RTX 4090", "L40S"]', ["RTX 4090", "L40S"]),
    ("train_gpus", "[RTX 4090, L40S]", ["RTX 4090", "L40S"]),
    ("train_gpus", "- RTX 4090\n- L40S", ["RTX 4090", "L40S"]),
    ("train_gpus", 4090, ["4090"]),
    ("train_gpus", ["RTX 4090", "", None], ["RTX 4090"]),
    ("train_clouds", "secure,community", ["SECURE", "COMMUNITY"]),
    ("train_artifacts", "", []),
    ("train_max_cost", "", None),
    ("train_max_cost", None, None),
    ("train_max_hours", "  ", 24.0),
    ("train_min_cuda_version", 12.8, "12.8"),
    ("train_timeouts", '{"running": "600"}', {"running": 600.0}),
    ("train_timeouts", "running: 600\nport_open: 5", {"running": 600.0, "port_open": 5.0}),
    ("train_timeouts", "running=600", {"running": 600.0}),
    ("train_env", '{"A": "12.10", "B": true}', {"A": "12.10", "B": "true"}),
    ("train_env", "A=1 B=two", {"A": "1", "B": "two"}),
    (
        "train_env",
        {"A": 1, "B": True, "C": 0.5, "D": None, "E": ""},
        {"A": "1", "B": "true", "C": "0.5", "D": "", "E": ""},
    ),
    ("train_stall_timeout", 0, 0.0),
    ("train_consistency_grace", "0", 0.0),
    ("train_run_id", 20260101, "20260101"),
    ("train_min_compute_capability", "8.9", 8.9),
    ("train_lease_hours", 0, 0.0),
    ("train_regions", ["SE", False, "FI"], ["SE", "NO", "FI"]),
    ("train_ready_when", "systemctl is-active x", {"command": "systemctl is-active x"}),
    ("train_ready_when", "file=/workspace/.ready", {"file": "/workspace/.ready"}),
    ("train_ready_when", "command: /opt/check.sh", {"command": "/opt/check.sh"}),
    ("train_ready_when", '{"file": "/workspace/.ready"}', {"file": "/workspace/.ready"}),
    ("train_ready_when", {"command": "/opt/check.sh"}, {"command": "/opt/check.sh"}),
    ("train_ready_when", "", None),
]


@pytest.mark.parametrize(("name", "value", "converted"), CONVERSIONS)
def test_conversion(options, given, name, value, converted):
    result = build(options, given, **{name: value})[name.removeprefix("train_")]
    assert result == converted and type(result) is type(converted)


POD_PATH = "must be an absolute path on the pod (letters, digits and . _ - /), not"
RUN_ID = "it must be 1 to 24 of the characters a to z, 0 to 9 and underscore, other than 'latest'."
LONG = f"podyard-{'a' * 24}-{'b' * 24}-0-5"
NO_DATASET = "'train_dataset_dir' is undefined. It is known only to a job with a train_dataset."
SHORTEN = "shorten one of them."
NOT_HERE = "is not, and addresses cannot be used yet."
BID = {"train_providers": ["vastai"], "train_interruptible": True}
READY = "train_ready_when"
NONE_RENTS = "train_interruptible asks for pods that none of train_providers rents"
WITHDRAWN = "RunPod withdrew spot pods; every pod is on demand"
NO_BID = "train_bid is what an interruptible pod offers, but train_interruptible is not set"
NO_TIME = "train_ready_timeout of 10 min leaves no time to rent the pod within train_deadline of 8 min 20 s"
ONLY_VAST = "is read by none of train_providers: take it out, or add vastai."
NO_RUN = "file=/opt/x waits until it is there, and command=/opt/x runs it until it succeeds."
REFUSALS = [
    (
        {**BID, "train_interruptible": False, "train_bid": 0.2},
        f"{NO_BID}: set it, or take the bid of 0.2 out.",
    ),
    (
        {**BID, "train_bid": 0.9, "train_max_price": 0.8},
        "train_bid of 0.9 exceeds train_max_price of 0.8, so that no pod could be kept: lower it.",
    ),
    (
        {**BID, "train_providers": ["runpod"]},
        f"{NONE_RENTS} (runpod: {WITHDRAWN}): add vastai, or drop it.",
    ),
    ({"train_providers": ["runpod"], "train_search": "inet_down>500"}, f"train_search {ONLY_VAST}"),
    (
        {"train_providers": ["vastai"], "train_search": ["inet_down>500"]},
        "train_search must be a mapping or text, not ['inet_down>500'].",
    ),
    ({"train_rank_by": "luck"}, "train_rank_by must be preference or price or value, not 'luck'."),
    ({READY: "/opt/x"}, f"{READY} is only a path: {NO_RUN}"),
    ({READY: {"file": "x"}}, f"{READY}.file must be an absolute path on the pod, not 'x'."),
    ({READY: {"file": "/x", "command": "x"}}, f"{READY} needs one of the parts file and command, and only one."),
    ({READY: {}}, f"{READY} needs one of the parts file and command, and only one."),
    ({READY: {"fiel": "/x"}}, f"{READY} has no part 'fiel'; did you mean file?"),
    ({READY: ["x"]}, f"{READY} must be a command, or a mapping with the part file or command, not ['x']."),
    (
        {READY: "x", "train_ready_timeout": 600, "train_deadline": 500},
        f"{NO_TIME}: lower the one or raise the other.",
    ),
    ({"train_max_cots": 5}, "train_max_cots is not a variable of a job; did you mean train_max_cost?"),
    ({"train_zzzzzzzzzz": 5}, "train_zzzzzzzzzz is not a variable of a job."),
    ({"train_output_dir": "/x"}, "train_output_dir is set by the collection and cannot be given."),
    ({"train_gpu_count": "many"}, "train_gpu_count must be a whole number, not 'many'."),
    ({"train_gpu_count": 1.5}, "train_gpu_count must be a whole number, not 1.5."),
    ({"train_gpu_count": True}, "train_gpu_count must be a whole number, not true."),
    ({"train_gpu_count": 0}, "train_gpu_count must be more than 0, not 0."),
    ({"train_max_price": "-1"}, "train_max_price must be more than 0, not -1."),
    ({"train_max_price": "nan"}, "train_max_price must be a number that can be counted with, not nan."),
    ({"train_max_price": "inf"}, "train_max_price must be a number that can be counted with, not inf."),
    ({"train_max_price": [1]}, "train_max_price must be a number, not [1]."),
    ({"train_stall_timeout": -1}, "train_stall_timeout must be 0 or more, not -1."),
    ({"train_providers": ["azure"]}, "train_providers[0] must be runpod or vastai, not 'azure'."),
    (
        {"train_clouds": "SECURE,COMUNITY"},
        "train_clouds[1] must be SECURE or COMMUNITY, not 'COMUNITY'; did you mean COMMUNITY?",
    ),
    ({"train_gpus": {"a": 1}}, "train_gpus must be a list, or text with commas, not {'a': 1}."),
    ({"train_gpus": "[RTX 4090"}, "train_gpus must be a list, or text with commas, not '[RTX 4090'."),
    ({"train_command": ["python", "x"]}, "train_command must be text, not ['python', 'x']."),
    ({"train_timeouts": {"runing": 5}}, "train_timeouts has no part 'runing'; did you mean running?"),
    ({"train_timeouts": {"running": "soon"}}, "train_timeouts.running must be a number, not 'soon'."),
    ({"train_timeouts": {"running": 0}}, "train_timeouts.running must be more than 0, not 0."),
    ({"train_timeouts": [5]}, "train_timeouts must be names with values, not [5]."),
    ({"train_min_cuda_version": "twelve"}, "train_min_cuda_version must be a version as 12.8, not 'twelve'."),
    (
        {"train_mount_path": "workspace"},
        f"train_mount_path {POD_PATH} 'workspace'.",
    ),
    (
        {"train_mount_path": "/a/../etc"},
        f"train_mount_path {POD_PATH} '/a/../etc'.",
    ),
    (
        {"train_metrics_file": "../m.jsonl"},
        "train_metrics_file must be a path below the output directory, not '../m.jsonl'.",
    ),
    ({"train_image": "a b"}, "train_image must be the name of one image, not 'a b'."),
    (
        {"train_artifacts": ["../*"]},
        "train_artifacts: The pattern '../*' leads out of the tree; patterns are relative to its root.",
    ),
    (
        {"train_run_id": "Not A Run"},
        f"train_run_id cannot be 'Not A Run': {RUN_ID}",
    ),
    (
        {"train_run_id": "latest"},
        f"train_run_id cannot be 'latest': {RUN_ID}",
    ),
    (
        {"train_name": "a" * 24, "train_run_id": "b" * 24},
        f"train_name and train_run_id together make a pod's name of 61 characters ({LONG}), 1 too many; {SHORTEN}",
    ),
    ({"train_command": "python {{ nowhere }}"}, "train_command cannot be filled in: 'nowhere' is undefined."),
    (
        {"train_command": "python {{ train_dataset_dir }}", "train_dataset": None},
        f"train_command cannot be filled in: {NO_DATASET}",
    ),
    (
        {"train_env": {"A B": "x"}},
        "train_env: 'A B' cannot be the name of an environment variable (letters, digits, underscores).",
    ),
    ({"train_env": {"A": ["x"]}}, "train_env: the value of A must be text or a number."),
    ({"train_env": {"A": "x\0"}}, "train_env: the value of A holds a zero byte, which no environment can."),
    (
        {"train_env": {"RUNPOD_API_KEY": "x"}},
        "train_env must not hold RUNPOD_API_KEY: a pod never gets a key with which pods can be rented.",
    ),
    (
        {"train_dataset": "s3://bucket/x"},
        f"train_dataset must be a directory on this machine; 's3://bucket/x' {NOT_HERE}",
    ),
    (
        {"train_code": "git@github.com:a/b"},
        f"train_code must be a directory on this machine; 'git@github.com:a/b' {NOT_HERE}",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSALS, ids=[sentence[:50] for _changes, sentence in REFUSALS])
def test_refusal(options, given, changes, sentence):
    assert faults(options, given, **changes) == [sentence]


def test_a_name_of_which_nothing_is_left(options, given):
    [problem] = faults(options, given, train_name="!!!")
    assert problem.startswith("train_name: ") and "'!!!'" in problem


def test_all_faults_at_once(options, given):
    problems = faults(
        options, given, train_gpu_count="many", train_max_price=-1, train_code="nowhere", train_nmae="x", train_image=""
    )
    assert [problem.split()[0].rstrip(":") for problem in problems] == [
        "train_nmae",
        "train_gpu_count",
        "train_image",
        "train_max_price",
        "train_code",
    ]


def test_what_is_missing_is_explained(options):
    problems = faults(options, {})
    missing = {problem.split()[0] for problem in problems if " is missing: " in problem}
    required = {name for name, option in options.items() if option.get("required")}
    assert missing == required | {"train_gpus", "train_image"}
    assert not [problem for problem in problems if "V(" in problem]


def test_the_message(options, given):
    with pytest.raises(BadJob) as one:
        build(options, given, train_gpu_count=0)
    assert str(one.value) == "train_gpu_count must be more than 0, not 0."
    with pytest.raises(BadJob, match=r"The job has 2 faults:\n  - train_gpu_count .*\n  - train_disk "):
        build(options, given, train_gpu_count=0, train_disk=0)


@pytest.mark.parametrize(
    "value", ["hf_secret", ["hf_secret"], {"A": {"B": "hf_secret"}}, {"A": "hf_secret {{ nowhere }}"}, "[hf_secret"]
)
def test_no_secret_in_a_message(options, given, value):
    assert "hf_secret" not in "".join(faults(options, given, train_env=value))


class TestPaths:
    def test_relative_and_home(self, options, given, tmp_path):
        (tmp_path / "home" / "mine").mkdir()
        (tmp_path / "home" / "mine" / "x.py").write_text("")
        job = build(options, given, train_code="~/mine", train_dataset=str(tmp_path / "data"))
        assert job["code"] == str(tmp_path / "home" / "mine") and job["dataset"] == str(tmp_path / "data")

    @pytest.mark.parametrize("name", ["train_code", "train_dataset"])
    def test_directories(self, options, given, tmp_path, name):
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("")
        for value, reason in (("nowhere", "there is no directory"), ("empty", "is empty"), ("file", "is a file")):
            [problem] = faults(options, given, **{name: value})
            assert problem.startswith(f"{name}: ") and reason in problem and str(tmp_path / value) in problem

    def test_a_directory_of_somebody_else(self, options, given, tmp_path, monkeypatch):
        forbidden = tmp_path / "data"
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != forbidden)
        assert faults(options, given) == [f"train_dataset: the directory {forbidden} cannot be read by this user."]

    def test_no_dataset(self, options, given):
        assert build(options, given, train_dataset="")["dataset"] is None

    def test_requirements(self, options, given, tmp_path):
        assert build(options, given)["requirements"] is None
        (tmp_path / "code" / "requirements.txt").write_text("numpy")
        (tmp_path / "code" / "more.txt").write_text("numpy")
        assert build(options, given)["requirements"] == str(tmp_path / "code" / "requirements.txt")
        assert build(options, given, train_requirements="more.txt")["requirements"] == str(
            tmp_path / "code" / "more.txt"
        )
        [problem] = faults(options, given, train_requirements="nowhere.txt")
        assert str(tmp_path / "nowhere.txt") in problem and str(tmp_path / "code" / "nowhere.txt") in problem

    def test_runs_are_never_copied_to_a_pod(self, options, given, tmp_path):
        """They hold the private key of the run."""
        job = build(options, given, train_code=".", train_runs_dir="my/runs")
        assert "/my/runs/" in job["code_exclude"] and "/my/runs/" not in job["dataset_exclude"]
        assert "/my/runs/" not in build(options, given)["code_exclude"]

    def test_a_file_where_runs_should_be(self, options, given, tmp_path):
        (tmp_path / "file").write_text("")
        [problem] = faults(options, given, train_runs_dir="file/runs")
        assert problem == f"train_runs_dir: {tmp_path / 'file'} is not a directory, so no run can be kept there."


class TestPublicKeys:
    def test_the_users_own(self, options, given, tmp_path):
        assert build(options, given)["ssh_public_keys"] == []
        (tmp_path / "home" / ".ssh" / "id_ed25519.pub").write_text(KEY + "\n")
        assert build(options, given)["ssh_public_keys"] == [KEY]
        assert build(options, given, train_ssh_public_keys=[])["ssh_public_keys"] == []

    def test_what_lies_beside_them(self, options, given, tmp_path):
        """Nobody named these files, so nothing is wrong with the job."""
        ssh = tmp_path / "home" / ".ssh"
        (ssh / "id_ed25519.pub").write_text(KEY)
        (ssh / "id_ed25519-cert.pub").write_text(KEY.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"))
        (ssh / "notes.pub").write_text("opening hours: 5 to 11")
        (ssh / "picture.pub").write_bytes(b"\xff\xd8")
        (ssh / "gone.pub").symlink_to("nowhere")
        assert build(options, given)["ssh_public_keys"] == [KEY]

    def test_several_in_one_file(self, options, given, tmp_path):
        other = KEY.replace("me@home", "you@home")
        (tmp_path / "team.pub").write_text(f"# the team\n{KEY}\n\n{other}\n{KEY}\n")
        assert build(options, given, train_ssh_public_keys="team.pub")["ssh_public_keys"] == [KEY, other]

    def test_text_and_file(self, options, given, tmp_path):
        (tmp_path / "a.pub").write_text(KEY + "\n")
        other = KEY.replace("me@home", "you@home")
        assert build(options, given, train_ssh_public_keys=["a.pub", other])["ssh_public_keys"] == [KEY, other]

    def test_a_missing_file(self, options, given):
        [problem] = faults(options, given, train_ssh_public_keys=["/nowhere/id.pub"])
        assert problem.startswith("train_ssh_public_keys[0]: /nowhere/id.pub") and "No such file" in problem

    def test_a_private_key_is_refused_and_not_shown(self, options, given, tmp_path):
        private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----"
        (tmp_path / "id_ed25519").write_text(private)
        for value in (private, "id_ed25519"):
            problem = "".join(faults(options, given, train_ssh_public_keys=[value]))
            assert "public key" in problem and "c2VjcmV0" not in problem


def test_a_declaration_that_cannot_be_read(tmp_path):
    for text in (None, "argument_specs: 5", "a: [", "{}"):
        if text is not None:
            (tmp_path / "spec.yml").write_text(text)
        with pytest.raises(Problem, match=r"declaration of the job's variables, .*spec\.yml, cannot be read"):
            spec.load(tmp_path / "spec.yml")
