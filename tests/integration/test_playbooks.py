# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks beside the training, on a run at each provider: provision, status, fetch, shell, stop.

The tests of this file are one story, in the order in which they stand: both pods are rented once.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time

import psutil
import pytest
from harness import BIN, REPOSITORY, RUN_TIMEOUT, Job, Playbook, heed_signals, wait_for

BOOK = "podyard.gpu."


class Run:
    """A job of one run at one provider, and ansible-playbook for it."""

    def __init__(self, cloud, directory, runs_dir, provider):
        directory.mkdir()
        self.cloud, self.job = cloud, Job(directory)
        self.playbook = Playbook(cloud, directory, REPOSITORY)
        self.id = f"{provider}_run"
        # Whatever else is taken on the market by then.
        gpus = ["RTX 4090", "RTX A6000", "L40S", "A100 PCIe", "RTX 3090"]
        self.job.variables |= {
            "train_providers": [provider], "train_run_id": self.id, "train_runs_dir": str(runs_dir), "train_gpus": gpus,
            "train_poll_interval": 1,
        }  # fmt: skip
        if provider == "vastai":
            self.job.variables["train_image"] = "vastai/pytorch:cuda-12.8.1-auto"
        code = (self.job.directory / "code" / "train.py").read_text()
        save = 'open(out / "checkpoints.pt", "wb").write(b"weights" * 1000) if step == 1 else None'
        code = code.replace('    print("step"', f'    {save}\n    print("step"')
        # Both train through most of the story: what they do must not take the machine from the playbooks.
        code = code.replace("        sum(range(1000))", "        time.sleep(0.2)")
        assert "sleep" in code and save in code
        (self.job.directory / "code" / "train.py").write_text(code)
        self.job.variables["train_checkpoints"] = ["*.pt"]
        self.directory = runs_dir / self.id

    @property
    def record(self):
        return json.loads((self.directory / "run.json").read_text())

    @property
    def living(self):
        return self.cloud.living(f"podyard-{self.job.name}-")


class Story:
    """Both runs, and playbooks that are called for them."""

    def __init__(self, cloud, directory):
        self.cloud, self.directory = cloud, directory
        self.runs_dir = directory / "runs"
        self.runpod = Run(cloud, directory / "runpod", self.runs_dir, "runpod")
        self.vastai = Run(cloud, directory / "vastai", self.runs_dir, "vastai")
        self.both = [self.runpod, self.vastai]
        self.environ = self.runpod.playbook.environ

    def call(self, book, *words, code=0, environ=None, **variables):
        """Run a playbook to its end and return what it printed."""
        told = [f"{name}={value}" for name, value in {"runs_dir": self.runs_dir, **variables}.items()]
        command = [BIN / "ansible-playbook", BOOK + book, *words, *(part for each in told for part in ("-e", each))]
        done = subprocess.run(
            command, env={**self.environ, **(environ or {})}, cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_TIMEOUT, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def status(self, code=0, **variables):
        """What the status says, as data."""
        file = self.directory / "status.json"
        self.call("status", code=code, status_file=file, **variables)
        return json.loads(file.read_text())


@pytest.fixture(scope="module")
def story(cloud, tmp_path_factory):
    told = Story(cloud, tmp_path_factory.mktemp("story"))
    try:
        yield told
    finally:
        for run in told.both:
            run.playbook.end_all()


def test_provision_rents_and_leaves_the_pod(story):
    """At RunPod; at Vast.ai a training begins at the same time, whose controller and guard are killed later."""
    run, other = story.both
    other.job.train(3000)
    story.lost = other.playbook.start(other.job)
    process = run.playbook.start(run.job, book=BOOK + "provision")
    assert process.wait(timeout=RUN_TIMEOUT) == 0, run.playbook.output()
    [pod] = run.living
    record = run.record
    assert record["outcome"] == "kept" and record["pods"][0]["lease_ends_at"]
    assert json.loads((run.directory / "guard.json").read_text())["state"] == "released"
    said = run.playbook.output().splitlines()
    [last] = [line for line in said if "give it back: ansible-playbook" in line]
    assert pod["id"] in last and "an hour and ends itself at" in last and f"run_id={run.id}" in last
    assert json.loads((run.directory / "connection.json").read_text())["ssh"] in said
    assert "launch" not in [stage["name"] for stage in record["stages"]]


def test_a_training_attaches_and_is_seen(story):
    """On the provisioned pod a training begins later; the other pod hangs and lost its controller, and nobody waits."""
    story.runpod.job.train(3000)
    story.process = story.runpod.playbook.start(story.runpod.job)
    for run in story.both:
        # As long as a whole run may take: both began a moment ago.
        wait_for(lambda run=run: "step 2" in run.playbook.output(), "the training's log on the screen", RUN_TIMEOUT)
    assert len(story.cloud.creates(f"podyard-{story.runpod.job.name}-")) == 1
    kill(story.vastai, story.lost)
    place = story.vastai.directory / "connection.json"
    kept = place.read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = json.loads(kept)
        port = silent.getsockname()[1]
        connection["ssh"] = connection["ssh"].replace(f"-p {connection['port']} ", f"-p {port} ")
        place.write_text(json.dumps(connection))
        told = story.status(status_pod_timeout=3)
        place.write_text(kept)
    rows = {row["run_id"]: row for row in told["pods"]}
    trains, hangs = rows[story.runpod.id], rows[story.vastai.id]
    assert (trains["job"]["source"], trains["job"]["state"]) == ("pod", "running")
    assert trains["job"]["metrics"]["epoch"] >= 2
    assert trains["lease_ends_at"] and trains["cost_usd"] > 0 and trains["provider"] == "runpod"
    assert (hangs["job"]["source"], hangs["job"]["stage"]) == ("record", "follow")
    assert "no answer" in hangs["job"]["why"]
    assert told["errors"] == {} and told["usd_per_hour"] == pytest.approx(
        sum(pod["usd_per_hour"] for run in story.both for pod in run.living)
    )
    [note] = told["notes"]
    assert hangs["id"] in note and "is not watched" in note


def kill(run, process):
    """What a machine that goes down does to controller and guard."""
    os.kill(json.loads((run.directory / "guard.json").read_text())["pid"], signal.SIGKILL)
    for part in [*psutil.Process(process.pid).children(recursive=True), process]:
        part.kill()
    process.wait(timeout=30)


def test_an_api_that_fails_and_pods_that_nobody_knows(story, cloud):
    cloud.fault("unauthorized")
    said = story.call("status", code=2, runs_dir=story.directory / "elsewhere")
    assert "NOT KNOWN" in said and "The pods at runpod could not be listed" in " ".join(said.split())
    [pod] = story.vastai.living
    [note] = [line for line in said.splitlines() if "belongs to no run in" in line]
    assert pod["id"] in note and "stop_confirm=true; or: curl" in note


def test_fetch_brings_home_what_is_complete(story):
    said = " ".join(story.call("fetch", run_id=f"latest,{story.runpod.id}").split())
    assert (story.runpod.directory / "checkpoints" / "checkpoints.pt").read_bytes() == b"weights" * 1000
    assert "Nothing complete matches yet: model.bin" in said and "(training: running)" in said
    assert story.process.poll() is None and story.runpod.record["outcome"] == "running"


def test_a_shell_at_a_terminal(story):
    """What is typed runs on the pod, Ctrl-C ends a program there, and the terminal is then as it was."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    command = [
        BIN / "ansible-playbook",
        BOOK + "shell",
        "-e",
        f"run_id={story.vastai.id}",
        "-e",
        f"runs_dir={story.runs_dir}",
    ]

    def sit() -> None:
        heed_signals()
        os.setsid()
        os.close(os.open(os.ttyname(slave), os.O_RDWR))

    process = subprocess.Popen(
        command, env=story.environ, cwd=story.directory, stdin=slave, stdout=slave, stderr=slave, preexec_fn=sit
    )
    try:
        seen = Screen(master)
        seen.until(lambda text: "# " in text.rpartition("\n")[2])
        assert termios.tcgetattr(slave) != before
        # One process that says so and then waits: a shell that is between two commands does not heed an interrupt.
        seen.type("sh -c 'echo on-$((40+2)); exec sleep 300'\n", "on-42")
        os.write(master, b"\x03")
        seen.type("echo back-$((40+3)); exit 3\n", "back-43")
        seen.until(lambda text: "PLAY RECAP" in text and process.poll() is not None)
        assert process.wait(timeout=30) == 0, seen.text
        assert termios.tcgetattr(slave) == before
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


class Screen:
    """What came out of a terminal."""

    def __init__(self, master):
        self.master, self.text = master, ""

    def until(self, seen, timeout=60):
        end = time.monotonic() + timeout
        while not seen(self.text):
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 4096).decode(errors="replace")

    def type(self, text, answer):
        os.write(self.master, text.encode())
        self.until(lambda seen: answer in seen)


def test_a_stop_that_its_provider_refuses_names_the_pod(story):
    """Nothing is given back, and nobody may think so."""
    said = story.call("stop", code=2, run_id=story.vastai.id, stop_fetch="false", environ={"VAST_API_KEY": "f" * 64})
    [pod] = story.vastai.living
    words = " ".join(said.split())
    assert f"NOT GIVEN BACK: {pod['name']} ({pod['id']} on vastai) costs" in words and "end it with: curl" in words
    assert "nothing was rented" not in said.rpartition("Check that all runs are over")[2]


def test_stop_ends_a_run_whatever_its_controller_does(story):
    """One controller follows its training and ends the run itself; nobody works on the other, which is ended here."""
    assert "stop_confirm" in story.call("stop", code=2, run_id="all")
    said = " ".join(story.call("stop", run_id="all", stop_confirm="true").split())
    assert story.process.wait(timeout=60) != 0, "a training that was stopped has not succeeded"
    for run in story.both:
        assert not run.living
        record = run.record
        assert record["outcome"] == "stopped" and all(pod["gone_proved"] for pod in record["pods"])
        assert f"The run {run.id} is over: stopped" in said
        assert (run.directory / "report.html").is_file() and not (run.directory / "connection.json").exists()
        assert "metrics.jsonl" in {artifact["path"].rpartition("/")[2] for artifact in record["artifacts"]}
        assert (run.directory / "checkpoints" / "checkpoints.pt").is_file()
        assert record["metrics"]["epoch"] >= 2
    assert story.vastai.record["error"] == "The run was stopped by a person at stage follow."
    assert "nothing to stop" in " ".join(story.call("stop").split())
