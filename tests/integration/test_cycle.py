# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cycle against the sandbox, as a user starts it: rent, reach, train, fetch, give back, report."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
import zipfile
from pathlib import Path

import pytest
from harness import BIN, REPOSITORY, Playbook, ran, wait_for

STAGES = ["plan", "provision", "verify", "prepare", "data", "launch", "follow", "fetch", "give_back", "report"]


@pytest.fixture
def digits(job):
    """The example as it stands, with the run kept below the test's directory."""
    example = REPOSITORY / "examples" / "digits"
    assert (example / "data").is_dir(), "the set-up makes the example's data before the tests run"
    for variable in ("train_command", "train_artifacts", "train_consistency_grace", "train_gpus", "train_image"):
        del job.variables[variable]
    job.variables |= {
        "train_code": str(example / "src"),
        "train_dataset": str(example / "data"),
        "train_requirements": str(example / "requirements.txt"),
    }
    return job


def test_digits(cloud, digits, playbook):
    done = playbook.run(digits, "-e", f"@{REPOSITORY}/examples/digits/job.yml", "-e", f"@{digits.write()}")
    assert done.code == 0, done.output
    record = digits.record
    assert record["outcome"] == "succeeded" and not record["error"]
    assert record["metrics"]["accuracy"] >= 0.95
    assert [stage["name"] for stage in record["stages"]] == STAGES
    assert all(stage["ended"] >= stage["started"] for stage in record["stages"])

    [pod] = cloud.pods(f"podyard-{digits.name}-")
    [told] = record["pods"]
    assert (told["id"], told["name"], told["provider"]) == (pod["id"], pod["name"], "runpod")
    assert pod["gone_at"] and told["gone_proved"] and told["gone_at"] >= told["rented_at"]
    assert told["usd_per_hour"] == pytest.approx(pod["usd_per_hour"])
    # The provider's meter is the truth; ours may differ by the seconds that the reads take.
    assert record["cost_usd"] == pytest.approx(pod["cost_usd"], abs=pod["usd_per_hour"] / 3600 * 15)
    assert record["cost_usd"] > 0

    metrics = [json.loads(line) for line in (digits.run / "metrics.jsonl").read_text().splitlines()]
    epochs = [line["epoch"] for line in metrics]
    assert len(epochs) > 3 and epochs == sorted(set(epochs)), "each line once, in order"
    assert {"epoch", "loss", "accuracy", "seconds"} <= set(metrics[0])
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    assert list((digits.run / "checkpoints").rglob("*")), "checkpoints come home"
    samples = [json.loads(line) for line in (digits.run / "gpu.jsonl").read_text().splitlines()]
    assert max(sample["utilization_percent"] for sample in samples) > 0, "the GPU was seen at work"

    assert record["artifacts"]
    for artifact in record["artifacts"]:
        content = (digits.run / artifact["path"]).read_bytes()
        assert len(content) == artifact["bytes"]
        assert hashlib.sha256(content).hexdigest() == artifact["sha256"]

    report = (digits.run / "report.html").read_text()
    assert "<svg" in report and pod["id"] in report
    assert not re.search(r"""(?:src|href)=["']?https?://""", report), "self-contained"
    assert digits.run.name in done.output and "accuracy" in done.output


def test_second_run_with_the_same_id_rents_nothing(cloud, job, playbook):
    limits = {"max_price": 0.9, "max_cost": 2, "max_hours": 1}
    job.variables |= {"train_run_id": f"again_{os.urandom(3).hex()}", **{f"train_{key}": limits[key] for key in limits}}
    first = playbook.run(job)
    assert first.code == 0, first.output
    assert job.record["limits"] == limits
    requested = {"gpus": ["RTX 4090"], "gpu_count": 1, "image": job.variables["train_image"]}
    assert job.record["requested"] == requested
    second = playbook.run(job)
    assert second.code == 0, second.output
    assert len(cloud.creates(f"podyard-{job.name}-")) == 1
    assert job.record["outcome"] == "succeeded"


def test_check_mode_is_the_plan(cloud, job, playbook):
    before = len(cloud.status()["requests"])
    done = playbook.run(job, "--check")
    assert done.code == 0, done.output
    assert len(cloud.status()["requests"]) == before, "nothing was asked that could change something"
    assert "RTX 4090" in done.output and "USD" in done.output
    assert not list((job.directory / "runs").rglob("run.json"))


def test_two_at_once(cloud, job, playbook, tmp_path):
    """Two runs of one job, started together, have a pod each and do not meet."""
    (tmp_path / "other").mkdir()
    other = Playbook(cloud, tmp_path / "other", REPOSITORY)
    try:
        processes = [playbook.start(job), other.start(job)]
        codes = [process.wait(timeout=240) for process in processes]
    finally:
        other.end_all()
    assert codes == [0, 0], playbook.output() + other.output()
    pods = cloud.pods(f"podyard-{job.name}-")
    assert len(pods) == 2 and all(pod["gone_at"] for pod in pods)
    runs = [
        json.loads(path.read_text())
        for path in (job.directory / "runs").glob("*/run.json")
        if not path.parent.is_symlink()
    ]
    assert sorted(run["outcome"] for run in runs) == ["succeeded", "succeeded"]
    assert {run["pods"][0]["id"] for run in runs} == {pod["id"] for pod in pods}


def wheel(folder: Path, name: str) -> None:
    """A package with one empty module of its own name."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")


def test_while_it_runs(cloud, job, playbook):
    """connection.json, exec and the inventory serve people while the pod lives; secrets are nowhere. Requirements that
    include others, name what lies in the code and use the job's variables are installed.
    """
    job.variables["train_env"] = {"HF_TOKEN": "hf_a_secret_of_the_user", "HOUSE": "{{ train_code_dir }}/wheels"}
    code = job.directory / "code"
    for name in ("named_by_path", "found_by_variable"):
        wheel(code / "wheels", name)
    (code / "more").mkdir()
    (code / "more/base.txt").write_text("--no-index\n--find-links ${HOUSE}\nfound_by_variable\n")
    (code / "requirements.txt").write_text(
        "-r more/base.txt\r\n./wheels/named_by_path-1.0-py3-none-any.whl\r\n", encoding="utf-16"
    )
    (code / ".envrc").write_text(f"export RUNPOD_API_KEY={cloud.settings['RUNPOD_API_KEY']}\n")
    job.train(600)
    look = "ls -a {{ train_code_dir }}; python3 -c 'import named_by_path, found_by_variable'"
    job.variables["train_command"] = f"{look}\n{job.variables['train_command']}"
    process = playbook.start(job, "-vvv")
    wait_for(lambda: "step 1" in playbook.output(), "the training's log on the screen")
    told = " ".join(playbook.output().split())
    assert ".envrc in train_code holds the key of your account at runpod and stays at home" in told
    log = (job.run / "train.log").read_text()
    assert "wheels" in log and ".envrc" not in log
    connection = json.loads((job.run / "connection.json").read_text())
    [pod] = cloud.living(f"podyard-{job.name}-")
    assert connection["pod_id"] == pod["id"] and connection["provider"] == "runpod" and connection["mode"] == "direct"
    assert (connection["host"], connection["port"]) == (pod["ssh"]["host"], pod["ssh"]["port"])
    typed = ran([*shlex.split(connection["ssh"]), "hostname"], env=playbook.environ)
    assert typed.returncode == 0, typed.stderr
    source = shlex.quote(f"{connection['user']}@{connection['host']}:/etc/hostname")
    copied = ran(f"{connection['rsync']} {source} {shlex.quote(str(job.directory))}/", shell=True, env=playbook.environ)
    assert copied.returncode == 0, copied.stderr
    assert (job.directory / "hostname").read_text().strip() == typed.stdout.strip()
    assert "StrictHostKeyChecking=yes" in connection["ssh"], "the host key was in the pod's log, so it is checked"

    where = ["-e", f"run_id={job.run.name}", "-e", f"runs_dir={job.directory}/runs"]
    command = [BIN / "ansible-playbook", "podyard.gpu.exec", *where, "-e"]
    here = {"env": playbook.environ, "cwd": job.directory}
    good = ran([*command, "command='echo from the pod; nvidia-smi -L'"], **here)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "from the pod" in good.stdout and "RTX 4090" in good.stdout
    bad = ran([*command, "command='exit 3'"], **here)
    assert bad.returncode != 0 and "3" in bad.stdout

    process.terminate()
    process.wait(timeout=60)
    wait_for(lambda: not cloud.living(f"podyard-{job.name}-"), "the guard")
    files = [path for path in job.run.rglob("*") if path.is_file() and "id_ed25519" not in path.name]
    told = [playbook.output(), *(path.read_text(errors="replace") for path in files)]
    for secret in ("hf_a_secret_of_the_user", cloud.settings["RUNPOD_API_KEY"]):
        assert not [text for text in told if secret in text]
    for path in [job.run, *job.run.rglob("*")]:
        if not path.is_symlink():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.parent != job.run, path


def test_an_image_without_rsync(cloud, job, playbook):
    job.variables["train_image"] = "runpod/base:1.0-slim"
    done = playbook.run(job)
    assert done.code == 0, done.output
    sizes = {artifact["path"]: artifact["bytes"] for artifact in job.record["artifacts"]}
    assert sizes["artifacts/model.bin"] == 5000


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("create-500-but-made", ["--times", "1"]),
        pytest.param("create-drops-line", ["--times", "1"], marks=pytest.mark.matrix),
        pytest.param("rate-limited", ["--times", "2", "--param", "retry_after=1"], marks=pytest.mark.matrix),
        pytest.param("sshd-late", ["--times", "1", "--param", "seconds=3"], marks=pytest.mark.matrix),
        ("terminate-late", ["--times", "1"]),
    ],
)
def test_survives(cloud, job, playbook, fault, options):
    """Faults that cost others money cost us nothing: one pod, trained on, gone."""
    cloud.fault(fault, *options)
    done = playbook.run(job)
    assert done.code == 0, done.output
    assert [entry["hits"] for entry in cloud.status()["faults"] if entry["name"] == fault] >= [1], "the fault struck"
    [pod] = cloud.pods(f"podyard-{job.name}-")
    assert pod["gone_at"]
    assert job.record["pods"][0]["gone_proved"]


@pytest.mark.parametrize("fault", ["never-ready", pytest.param("no-direct-ssh", marks=pytest.mark.matrix)])
def test_a_bad_host_is_given_back_and_the_next_is_rented(cloud, job, playbook, fault):
    cloud.fault(fault, "--times", "1")
    job.variables["train_timeouts"] = {"running": 5, "addressed": 3}
    done = playbook.run(job)
    assert done.code == 0, done.output
    pods = cloud.pods(f"podyard-{job.name}-")
    assert len(pods) == 2 and all(pod["gone_at"] for pod in pods)
    assert {pod["name"].rsplit("-", 1)[1] for pod in pods} == {"1", "2"}
    assert {pod["id"] for pod in job.record["pods"]} == {pod["id"] for pod in pods}
