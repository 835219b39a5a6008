# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action job with Ansible's own templating: trust, late names, undefined names, and what is never shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.action import job as job_action
from ansible_collections.podyard.gpu.plugins.action.job import ActionModule
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act, trusted


@pytest.fixture(name="variables")
def _variables(tmp_path, monkeypatch):
    for directory in ("code", "data"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "file").write_text("1")
    monkeypatch.chdir(tmp_path)
    return {
        "train_name": "digits",
        "train_gpus": ["RTX 4090"],
        "train_image": "runpod/pytorch:1.0.2",
        "train_code": "code",
        "train_dataset": "data",
        "train_command": "python train.py",
        "train_run_id": "r1",
        "train_ssh_public_keys": [],
    }


def job_of(variables, **changes):
    return act(ActionModule, {}, {**variables, **trusted(changes)})["job"]


def test_late_names_through_other_variables(variables):
    """A user's own variable may use a late name too; so may a job's default that another value uses."""
    job = job_of(
        variables,
        results="{{ train_output_dir }}/best",
        train_command="python train.py {{ results }} --disk {{ train_disk }} --run {{ train_run_id }}",
        train_env={"DATA": "{{ train_dataset_dir }}", "NAME": "{{ train_name | upper }}"},
        train_run_id="{{ 'r' ~ 2 }}",
    )
    assert job["command"] == "python train.py /workspace/podyard/digits/runs/r2/output/best --disk 20 --run r2"
    assert job["env"] == {"DATA": "/workspace/podyard/digits/runs/r2/data", "NAME": "DIGITS"}


def test_untrusted_text_is_never_a_template(variables):
    """As a fact or a result from elsewhere; Ansible marks what may be filled in."""
    job = act(ActionModule, {}, {**variables, "train_command": "echo {{ 1 + 1 }}"})["job"]
    assert job["command"] == "echo {{ 1 + 1 }}"


def test_native_types_of_templates(variables):
    job = job_of(
        variables, train_gpu_count="{{ 1 + 1 }}", train_gpus="{{ ['A100', 'H100'] }}", train_max_cost="{{ none }}"
    )
    assert (job["gpu_count"], job["gpus"], job["max_cost"]) == (2, ["A100", "H100"], None)


def test_omit(variables):
    assert job_of(variables, train_max_hours="{{ omit }}", omit=None)["max_hours"] == 24.0


def test_the_result_is_plain_and_hidden(variables):
    result = act(ActionModule, {}, {**variables, **trusted({"train_env": {"HF_TOKEN": "hf_secret"}})})
    assert result["_ansible_no_log"] is True and result["changed"] is False
    assert json.loads(json.dumps(result["job"])) == result["job"]
    assert result["job"]["env"]["HF_TOKEN"].__class__ is str


def test_undefined(variables):
    with pytest.raises(AnsibleActionFail) as refusal:
        job_of(variables, train_command="python {{ nowhere_defined }}", train_env={"A": "hf_secret {{ nowhere_too }}"})
    text = str(refusal.value)
    assert "train_command cannot be filled in: 'nowhere_defined' is undefined." in text
    assert "train_env cannot be filled in: 'nowhere_too' is undefined." in text
    assert "hf_secret" not in text


def test_a_template_that_fails(variables):
    with pytest.raises(AnsibleActionFail, match=r"train_image cannot be filled in: .*no_such_filter"):
        job_of(variables, train_image="{{ 'x' | no_such_filter }}")
    with pytest.raises(AnsibleActionFail) as refusal:
        job_of(variables, train_env={"A": "{{ 'hf_secret' | no_such_filter }}"})
    assert "train_env cannot be filled in" in str(refusal.value) and "hf_secret" not in str(refusal.value)


def test_other_variables_are_nobodys_business(variables):
    assert job_of(variables, training_rounds=5, _train_state="new", trained=1)["name"] == "digits"


@pytest.mark.parametrize("no_log", [False, True])
def test_the_faults_are_readable_even_when_the_task_is_hidden(variables, no_log, monkeypatch):
    shown = []
    monkeypatch.setattr(Display, "error", lambda self, text, **kwargs: shown.append(text))
    with pytest.raises(AnsibleActionFail, match="did you mean train_max_cost"):
        act(ActionModule, {}, {**variables, "train_max_cots": 5}, no_log=no_log)
    assert len(shown) == no_log


def test_a_declaration_of_ones_own(variables, tmp_path):
    spec = tmp_path / "spec.yml"
    spec.write_text("argument_specs: {main: {options: 5}}")
    with pytest.raises(AnsibleActionFail, match=r"declaration .* cannot be read"):
        act(ActionModule, {"spec": str(spec)}, variables)
    with pytest.raises(AnsibleActionFail, match=r"Unsupported parameters"):
        act(ActionModule, {"name": "x"}, variables)


def test_settings_of_the_environment_stand_in_and_are_told_without_their_values(variables, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    del variables["train_gpus"], variables["train_image"]
    (tmp_path / ".env").write_text("RUNPOD_API_KEY=rpa_secret\nRUNPOD_WORKER_IMAGE='{{ 1 + 1 }}'\n")
    for name in ("RUNPOD_API_KEY", "RUNPOD_WORKER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNPOD_GPU_TYPE", "L40S, RTX 4090")
    monkeypatch.setenv("RUNPOD_CONTAINER_DISK_GB", "40")
    with pytest.raises(AnsibleActionFail, match=r"RUNPOD_WORKER_IMAGE, set in .*must be one word"):
        job_of(variables)
    (tmp_path / ".env").write_text("RUNPOD_API_KEY=rpa_secret\nRUNPOD_WORKER_IMAGE={{1+1}}\n")
    job = job_of(variables, train_command="python x.py --disk {{ train_disk }} {{ train_gpus | first }}")
    assert (job["gpus"], job["image"], job["disk"]) == (["L40S", "RTX 4090"], "{{1+1}}", 40)
    assert job["command"] == "python x.py --disk 40 L40S"
    assert job["env_file"] == str(tmp_path / ".env")
    assert "RUNPOD_GPU_TYPE from the environment as train_gpus" in job["settings"]
    assert "rpa_secret" not in json.dumps(job)
    explicit = job_of(variables, train_gpus=["A40"], train_disk=20)
    assert (explicit["gpus"], explicit["disk"]) == (["A40"], 20)


def test_a_fault_names_the_setting_that_a_value_came_from(variables, monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("RUNPOD_STORAGE_NAME=data\n")
    monkeypatch.delenv("RUNPOD_STORAGE_NAME", raising=False)
    monkeypatch.setenv("RUNPOD_DIRECT_SSH_USER", "no@body")
    with pytest.raises(AnsibleActionFail) as caught:
        job_of(variables, train_clouds=["COMMUNITY"])
    told = str(caught.value)
    volume = f"What came from settings: train_network_volume from RUNPOD_STORAGE_NAME in {tmp_path}/.env."
    user = "What came from settings: train_ssh_user from RUNPOD_DIRECT_SSH_USER in the environment."
    assert f"or leave out train_network_volume. {volume}" in told
    assert f"'no@body' cannot be the name of a user. {user}" in told
    with pytest.raises(AnsibleActionFail, match=r"train_ssh_user: 'no@body' cannot be the name of a user\.$"):
        monkeypatch.delenv("RUNPOD_DIRECT_SSH_USER")
        job_of(variables, train_ssh_user="no@body")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_network_volume": "data", "train_volume_size": 50}, "train_network_volume and train_volume_size"),
        ({"train_network_volume": "data", "train_clouds": ["COMMUNITY"]}, "remove COMMUNITY from train_clouds"),
        ({"train_ssh_user": "no body"}, "train_ssh_user: 'no body' cannot be the name of a user"),
        ({"train_ssh_users": ["-oProxyCommand=x"]}, "cannot be the name of a user"),
        ({"train_ssh_private_key": "nowhere"}, "train_ssh_private_key: .*nowhere is no file"),
        ({"train_bootstrap_ssh": "sometimes"}, "train_bootstrap_ssh must be auto or always or never"),
        ({"train_env_file": "nowhere"}, "train_env_file: there is no file"),
        ({"train_image": None}, "train_image is missing: .*RUNPOD_WORKER_IMAGE.*train_template"),
        ({"train_gpus": None}, "train_gpus is missing: .*RUNPOD_GPU_TYPE"),
    ],
)
def test_what_cannot_be_is_refused(variables, changes, words):
    with pytest.raises(AnsibleActionFail, match=words):
        job_of(variables, **changes)


def test_a_template_may_bring_the_image(variables):
    job = job_of(variables, train_image=None, train_template="ours")
    assert (job["image"], job["template"], job["mount_path"]) == (None, "ours", "/workspace")


class TestFiles:
    """What is made of templates, before anything is rented."""

    @pytest.fixture(name="template")
    def _template(self, tmp_path):
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "end.j2").write_text("end: true\n")
        path = tmp_path / "templates" / "train.yml.j2"
        path.write_text(
            "data: {{ train_dataset_dir }}\n{% for each in rates %}\n- {{ each }}\n{% endfor %}\n"
            "{% include 'end.j2' %}\n"
        )
        return path

    def test_their_text_knows_the_run(self, variables, template):
        job = job_of(
            variables,
            rates=[0.1, 0.2],
            train_files=[
                {"src": "templates/train.yml.j2", "dest": "config/train.yml"},
                {"content": "run={{ train_run_id }}\n", "dest": "{{ train_dataset_dir }}/run.env", "mode": "0644"},
                {"content": "{{ 2 + 3 }}", "dest": "five"},
            ],
        )
        base = "/workspace/podyard/digits"
        text = f"data: {base}/runs/r1/data\n- 0.1\n- 0.2\nend: true\n"
        assert job["files"] == [
            {"dest": f"{base}/runs/r1/code/config/train.yml", "mode": "0600", "content": text},
            {"dest": f"{base}/runs/r1/data/run.env", "mode": "0644", "content": "run=r1\n"},
            {"dest": f"{base}/runs/r1/code/five", "mode": "0600", "content": "5"},
        ]
        assert "/config/train.yml" in job["code_exclude"], "what it stands in for stays at home, and is not removed"
        assert "/run.env" in job["dataset_exclude"] and "/run.env" not in job["code_exclude"]

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ({"src": "nowhere.j2"}, r"train_files\[0\].src: the template .*/nowhere.j2 cannot be read: No such file"),
            ({"src": "templates/train.yml.j2"}, r"train.yml.j2 cannot be filled in: 'rates' is undefined\.$"),
            ({"content": "{{ rates }}"}, r"train_files\[0\] cannot be filled in: 'rates' is undefined\.$"),
            ({"src": "templates/end.j2", "content": "x"}, "needs exactly one of src and content"),
            ({}, "needs exactly one of src and content"),
            (
                {"content": "x", "dest": "../x"},
                r"train_files\[0\].dest must be a path in the code, relative, or one below",
            ),
            ({"content": "x", "dest": "/etc/x"}, "on the pod, not '/etc/x'"),
            ({"content": "x", "dest": "conf/"}, r"train_files\[0\].dest must name a file, not the directory 'conf/'"),
            ({"content": "x", "dest": "folder"}, "folder is a directory in train_code, and must be a file"),
            ({"content": "x", "dest": None}, r"train_files\[0\] has no part 'dest', and needs one"),
            ({"content": "x", "mode": 420}, "mode must be an octal number in quotes as '0644', not 420"),
            ({"content": "x", "owner": "me"}, r"train_files\[0\] has no part 'owner'"),
            ({"content": {"a": 1}}, r"train_files\[0\].content must be text, not what was given"),
            ({"content": "x" * (5 << 20)}, "5.2 MB in total, but at most 4.2 MB are allowed"),
        ],
    )
    def test_what_cannot_be_made_is_told_before_anything_is_rented(self, variables, template, tmp_path, entry, words):
        (tmp_path / "code" / "folder").mkdir()
        with pytest.raises(AnsibleActionFail, match=words):
            job_of(variables, train_files=[{"dest": "x", **entry}])

    def test_the_guide_is_right(self, variables, tmp_path, monkeypatch):
        """Its job and its template, as they stand there."""
        guide = (Path(__file__).absolute().parents[4] / "docs" / "job.md").read_text(encoding="utf-8")
        blocks = dict(re.findall(r"```(yaml|jinja)\n(.*?)```", guide, re.DOTALL))
        for place in ("trainer", "portraits"):
            (tmp_path / place).mkdir()
            (tmp_path / place / "x").write_text("1")
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "train.toml.j2").write_text(blocks["jinja"])
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        given = {name: variables[name] for name in ("train_run_id", "train_ssh_public_keys")}
        job = act(ActionModule, {}, {**given, **trusted(yaml.safe_load(blocks["yaml"]))})["job"]
        base = "/workspace/podyard/lora-portraits"
        assert job["files"][0]["content"].startswith(f'[run]\nname = "r1"\ndata = "{base}/runs/r1/data"\n')
        assert job["files"][0]["content"].endswith("[learning_rates]\nunet = 0.0001\ntext_encoder = 0.0005\n")
        assert job["files"][1] == {"dest": f"{base}/runs/r1/code/.hf-token", "mode": "0600", "content": "hf_secret"}
        assert job["ready_when"] == {"file": "/workspace/.provisioned"} and job["regions"][-1] == "EU-RO-1"

    def test_two_of_one_name(self, variables):
        entries = [{"content": "x", "dest": "a"}, {"content": "x", "dest": "./a"}]
        with pytest.raises(
            AnsibleActionFail, match=r"train_files\[1\] and train_files\[0\] have the same dest, .*/code/a"
        ):
            job_of(variables, train_files=entries)

    def test_a_broken_template_is_told_and_a_secret_is_not(self, variables, template):
        template.write_text("a\n{% for %}\n")
        with pytest.raises(AnsibleActionFail, match=r"train.yml.j2 cannot be filled in: .*[Ss]yntax error"):
            job_of(variables, train_files=[{"src": str(template), "dest": "x"}])
        template.write_text("{{ token | int(default='x') / 0 }}{{ token | b64decode }}")
        with pytest.raises(AnsibleActionFail) as refusal:
            job_of(variables, token="hf_secret", train_files=[{"src": str(template), "dest": "x"}])
        assert "cannot be filled in: its template fails" in str(refusal.value) and "hf_secret" not in str(refusal.value)


def test_a_file_with_the_account_s_key_is_told_and_stays_at_home(variables, monkeypatch):
    key, told = "rpa_5C0FFEE5C0FFEE5C0FFEE", []
    monkeypatch.setenv("RUNPOD_API_KEY", key)
    monkeypatch.setattr(Display, "warning", lambda self, text, **how: told.append(text))
    Path("code/.envrc").write_text(f"export X={key}")
    job = job_of(variables)
    assert "/.envrc" in job["code_exclude"]
    assert len(told) == 1 and ".envrc in train_code holds the key of your account at runpod" in told[0]
    with pytest.raises(AnsibleActionFail, match="the training needs the file") as caught:
        job_of(variables, train_command="bash .envrc")
    assert key not in str(caught.value)


@pytest.fixture(name="given")
def _given(monkeypatch):
    """What ansible-playbook was called with."""

    def give(*texts):
        monkeypatch.setattr(job_action.context, "CLIARGS", {"extra_vars": texts})

    return give


def test_words_that_ansible_drops_are_told(variables, given):
    given("@job.yml", "train_command=python3 train.py --epochs 3", '{"train_disk": 20}')
    with pytest.raises(AnsibleActionFail) as caught:
        job_of(variables, train_command="python3")
    assert "train_command: Ansible keeps 'python3'" in str(caught.value)
    assert """-e '{"train_command": "python3 train.py --epochs 3"}'""" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train_name=a b train_disk=20", "train_name: Ansible keeps 'a' of what -e gives and drops 'b'"),
        ("train_command=python train.py --lr=0.1", "drops 'train.py --lr=0.1'"),
        ("train_env=A=1 B2", "train_env: of a value with blanks Ansible keeps the first word only"),
    ],
)
def test_the_words_of_any_variable_are_told(variables, given, text, words):
    given(text)
    with pytest.raises(AnsibleActionFail) as caught:
        job_of(variables)
    assert words in str(caught.value) and "B2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "train_command='python3 train.py --epochs 3'", "other=a b c", '{"train_command": "a b"}', "@a b.yml",
        "train_name=x train_disk=20", "",
    ],
)  # fmt: skip
def test_what_loses_nothing_is_not_told(variables, given, text):
    given(text)
    assert job_of(variables)["command"] == "python train.py"


@pytest.mark.parametrize("command", ["python3", "python", "/usr/bin/python3.11", "bash", " python3 -u ", "torchrun"])
def test_a_program_without_a_script_is_refused(variables, command):
    with pytest.raises(AnsibleActionFail, match="would end at once: name the script"):
        job_of(variables, train_command=command)


@pytest.mark.parametrize(
    "command", ["python3 train.py", "./run", "bash run.sh", "python3 -m x", "make", "python3 -c 'x'"]
)
def test_a_program_with_a_script_is_not(variables, command):
    assert job_of(variables, train_command=command)["command"] == command


@pytest.mark.parametrize(
    "command",
    [
        'files=(*.txt)\nfor i in ${#files[@]}; do echo "$i"; done', "echo ${#files[@]} ${b#} x #}", "echo {# x",
        "echo ${#a}\necho '#}'",
    ],
)  # fmt: skip
def test_what_is_a_comment_to_jinja_only_is_refused_with_place_and_remedy(variables, command):
    with pytest.raises(AnsibleActionFail) as caught:
        job_of(variables, train_command=command)
    line = command[: command.index("{#")].count("\n") + 1
    assert f"train_command cannot be filled in: '{{#' begins a comment of Jinja, and stands in line {line}: …" in str(
        caught.value
    )
    assert "{{ '{#' }}" in str(caught.value) and "{% endraw %}" in str(caught.value)


def test_the_remedies_work(variables):
    for command in ("echo ${{ '{#' }}files[@]}", "{% raw %}echo ${#files[@]}{% endraw %}"):
        assert job_of(variables, train_command=command)["command"] == "echo ${#files[@]}"
    assert job_of(variables, train_command="echo 1{# mine #}")["command"] == "echo 1"


def test_a_secret_is_not_quoted(variables):
    with pytest.raises(AnsibleActionFail, match="stands in line 1\\. If") as caught:
        job_of(variables, train_env={"A": "secret${#x}"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("nvidia/cuda:12.8.1-devel-ubuntu24.04", True), ("ubuntu:24.04", True), ("alpine", True),
        ("nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04", True), ("docker.io/library/debian:12-slim", True),
        ("registry.example:5000/nvidia/cuda@sha256:00ff", True), ("Ubuntu:22.04@sha256:00", True),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel", False), ("runpod/pytorch:1.0.2", False), ("me/cuda:1", False),
        ("python:3.12-slim", False), ("nvcr.io/nvidia/pytorch:25.01-py3", False), ("me/ubuntu", False),
    ],
)  # fmt: skip
def test_an_image_without_python_is_told_before_it_is_paid_for(variables, monkeypatch, image, told):
    words = []
    monkeypatch.setattr(Display, "warning", lambda self, text, **how: words.append(text))
    job_of(variables, train_image=image)
    assert [f"The image {image} is one that brings no Python" in each for each in words] == [True] * told
    words.clear()
    job_of(variables, train_image=image, train_python="/opt/python/bin/python3")
    assert words == []
