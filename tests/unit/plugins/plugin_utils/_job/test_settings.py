# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the environment and of .env files in a job."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import Patterns
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.settings import beside, keep_at_home, read
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.spec import Problem

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake me"


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    for name in ("cwd", "jobs", "other", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path


def settings(tmp_path, given=(), env_file=None, extra_vars=(), providers=("runpod",), **environ):
    return read(providers, given, env_file, extra_vars, {"HOME": str(tmp_path / "home"), **environ})


def test_the_file_beside_the_job_comes_before_the_one_of_the_working_directory(tmp_path):
    (tmp_path / "jobs" / ".env").write_text("RUNPOD_WORKER_IMAGE=beside\nRUNPOD_API_KEY=rpa_secret\n")
    (tmp_path / "cwd" / ".env").write_text("RUNPOD_WORKER_IMAGE=here\nRUNPOD_CONTAINER_DISK_GB=40\n")
    found = settings(tmp_path, extra_vars=["train_x=1", f"@{tmp_path}/jobs/job.yml"], RUNPOD_GPU_TYPE="L40S, A100")
    assert found.values == {"train_image": "beside", "train_disk": 40, "train_gpus": ["L40S", "A100"]}
    assert found.files == [str(tmp_path / "jobs" / ".env"), str(tmp_path / "cwd" / ".env")]
    assert found.told == [
        f"RUNPOD_API_KEY from {tmp_path}/jobs/.env",
        "RUNPOD_GPU_TYPE from the environment as train_gpus",
        f"RUNPOD_WORKER_IMAGE from {tmp_path}/jobs/.env as train_image",
        f"RUNPOD_CONTAINER_DISK_GB from {tmp_path}/cwd/.env as train_disk",
    ]


def test_of_several_job_files_the_last_one_counts_first(tmp_path):
    for name in ("jobs", "other"):
        (tmp_path / name / ".env").write_text("")
    given = [f"@{tmp_path}/jobs/a.yml", f"@{tmp_path}/other/b.yml", f"@{tmp_path}/cwd/c.yml", {"not": "text"}]
    assert beside(given) == [tmp_path / "other" / ".env", tmp_path / "jobs" / ".env"]


def test_a_file_that_is_named_takes_the_place_of_the_one_beside_the_job(tmp_path):
    (tmp_path / "jobs" / ".env").write_text("RUNPOD_WORKER_IMAGE=beside\n")
    (tmp_path / "other" / "settings").write_text("RUNPOD_WORKER_IMAGE=named\n")
    given = {"env_file": str(tmp_path / "other" / "settings"), "extra_vars": [f"@{tmp_path}/jobs/job.yml"]}
    assert settings(tmp_path, **given).values == {"train_image": "named"}
    elsewhere = str(tmp_path / "jobs" / ".env")
    assert settings(tmp_path, **given, PODYARD_ENV_FILE=elsewhere).values == {"train_image": "named"}
    del given["env_file"]
    assert settings(tmp_path, PODYARD_ENV_FILE=elsewhere).values == {"train_image": "beside"}
    with pytest.raises(Problem, match=r"^train_env_file: there is no file .*nowhere\.$"):
        settings(tmp_path, env_file="nowhere")


def test_a_public_key_file_is_one_of_the_keys(tmp_path):
    (tmp_path / "home" / "id.pub").write_text(KEY)
    found = settings(tmp_path, RUNPOD_SSH_PUBLIC_KEY_PATH=str(tmp_path / "home" / "id.pub"))
    assert found.values == {"train_ssh_public_keys": [str(tmp_path / "home" / "id.pub")]}


def test_a_bad_value_is_a_problem_with_its_name(tmp_path):
    with pytest.raises(Problem, match=r"^RUNPOD_DISK_SIZE_GB, set in the environment, must be .* not 'ten'\.$"):
        settings(tmp_path, RUNPOD_DISK_SIZE_GB="ten")
    assert settings(tmp_path, given=["train_volume_size"], RUNPOD_DISK_SIZE_GB="ten").values == {}


def test_the_gateway_that_is_never_used_is_explained(tmp_path):
    for value in ("1", "0"):
        told = settings(tmp_path, RUNPOD_NO_GATEWAY=value).told
        assert told[0] == "RUNPOD_NO_GATEWAY from the environment"
        assert "interactive shell" in told[1] and "only shown to people" in told[1]


def test_a_file_with_a_key_is_never_sent_to_a_pod(tmp_path):
    code = tmp_path / "code"
    (code / "conf [x]").mkdir(parents=True)
    (code / ".env").write_text("RUNPOD_API_KEY=rpa_secret\n")
    (code / "conf [x]" / "job.env").write_text("")
    job = {"code": str(code), "code_exclude": [".git"], "dataset": None, "dataset_exclude": []}
    keep_at_home(job, [str(code / "conf [x]" / "job.env"), str(tmp_path / "elsewhere")])
    patterns = Patterns(exclude=job["code_exclude"])
    assert patterns.excluded(".env") and patterns.excluded("conf [x]/job.env")
    assert not patterns.excluded("sub/.env") and not patterns.excluded("conf x/job.env")
    assert job["code_exclude"][0] == ".git"


@pytest.mark.parametrize("place", ["sub/.env", "a b/[c]/.env.local", ".env.production"])
@pytest.mark.parametrize("tree", ["code", "dataset"])
def test_an_accounts_key_stays_at_home_wherever_it_lies_in_a_tree(tmp_path, tree, place):
    path = tmp_path / tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("export VAST_API_KEY=secret\n")
    path.with_name("environment.env").write_text("RUNPOD_API_KEY is needed\n")
    job = {"code": None, "code_exclude": [], "dataset": None, "dataset_exclude": [], tree: str(tmp_path / tree)}
    keep_at_home(job, [])
    patterns = Patterns(exclude=job[f"{tree}_exclude"])
    assert patterns.excluded(place)
    assert len(job[f"{tree}_exclude"]) == 1


def test_a_programs_own_settings_are_sent_as_they_are(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / ".env").write_text("WANDB_MODE=offline\n")
    job = {"code": str(tmp_path / "code"), "code_exclude": [], "dataset": None, "dataset_exclude": []}
    keep_at_home(job, [])
    assert job["code_exclude"] == []


def test_settings_of_a_provider_that_the_job_does_not_use_are_nobodys_business(tmp_path):
    found = settings(tmp_path, providers=(), RUNPOD_GPU_TYPE="L40S", RUNPOD_DISK_SIZE_GB="ten", RUNPOD_API_KEY="x")
    assert (found.values, found.told) == ({}, [])


@pytest.mark.parametrize(
    ("environ", "providers"),
    [
        ({"RUNPOD_API_KEY": "rpa_x"}, ["runpod"]),
        ({"VAST_API_KEY": "x"}, ["vastai"]),
        ({"VAST_API_KEY": "x", "RUNPOD_API_KEY": "rpa_x"}, ["runpod", "vastai"]),
        ({}, ["runpod", "vastai"]),
    ],
)
def test_without_a_word_the_providers_are_those_with_a_key(tmp_path, environ, providers):
    """A user of one of them is not asked for the other's key; without any, each says what it misses."""
    found = settings(tmp_path, providers=None, RUNPOD_GPU_TYPE="L40S", **environ)
    assert found.values["train_providers"] == providers
    assert ("train_gpus" in found.values) == ("runpod" in providers), "settings of the others mean nothing"


def test_a_key_in_a_file_beside_the_job_counts(tmp_path):
    (tmp_path / "jobs" / ".env").write_text("VAST_API_KEY=x\n")
    found = settings(tmp_path, providers=None, extra_vars=[f"@{tmp_path}/jobs/job.yml"])
    assert found.values == {"train_providers": ["vastai"]}
    assert "train_providers" not in settings(tmp_path, providers=["runpod"]).values
