# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods first, books afterwards: no disk, no ledger and no other account keeps a pod, or proves it gone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from harness import BIN, RUN_TIMEOUT, wait_for


@pytest.fixture(name="disk")
def small_disk(tmp_path):
    """A file system of its own that is soon full."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place):
    """Leave not a byte. Returns the file that takes it all."""
    file = place / "everything"
    with open(file, "wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while stream.write(b"x" * size):
                    pass
            except OSError:
                continue
    return file


def guard_of(job):
    return json.loads((job.run / "guard.json").read_text())


def test_a_full_disk_keeps_no_pod(cloud, job, playbook, disk):
    """The run's directory, Ansible's own temporary files and the user's home are on a disk that fills in mid-training.

    Before that its guard is killed: the follower notices and arms another one, which corrects the record in the end.
    """
    (disk / "home").mkdir()
    (disk / "tmp").mkdir()
    playbook.environ |= {"HOME": str(disk / "home"), "TMPDIR": str(disk / "tmp")}
    for name in ("PODYARD_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        playbook.environ.pop(name, None)
    job.directory, before = disk, job.directory
    job.variables["train_runs_dir"] = str(disk / "runs")
    job.train(600)
    # The job's own file is read once; its code and data stay where they are.
    process = playbook.start(job)
    wait_for(lambda: "step 2" in playbook.output(), "the training's log on the screen", timeout=RUN_TIMEOUT)
    first = guard_of(job)["pid"]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: guard_of(job)["pid"] != first, "another guard")
    assert psutil.pid_exists(guard_of(job)["pid"]) and "has died" in playbook.output()
    file = fill(disk)
    reached = int(re.findall(r"step (\d+)", playbook.output())[-1])
    wait_for(lambda: f"step {reached + 10}\n" in playbook.output(), "steps that no disk has room for")
    job.end_training()
    assert process.wait(timeout=RUN_TIMEOUT) != 0
    said = playbook.output()
    assert not cloud.living(f"podyard-{job.name}-"), said
    assert "could not be started; its work is done without it" in said and "are proved gone" in said
    assert "Traceback" not in said
    file.unlink()
    wait_for(lambda: job.record["pods"][0]["gone_proved"], "the guard's correction")
    [pod] = job.record["pods"]
    assert pod["gone_proved"] and pod["gone_at"] and job.record["cost_usd"] > 0
    wait_for(lambda: guard_of(job)["state"] == "gave_back", "the guard's end")
    job.directory = before


class Stranger:
    """The API of an account that has no pods, as every account looks from outside."""

    def __enter__(self):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = 404, {"title": "Not Found", "status": 404, "detail": "pod not found"}
                if self.path.startswith("/graphql"):
                    status, body = 200, {"data": {"myself": {"id": "user_stranger"}}}
                elif self.path.partition("?")[0] == "/v2/pods":
                    status, body = 200, {"pods": [], "pagination": {"hasNextPage": False}}
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_DELETE = do_POST = answer

            def log_message(self, *arguments):
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"RUNPOD_API_BASE_URL": url, "RUNPOD_API_KEY": "rpa_stranger_0123456789abcdef"}

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.foreign_records
@pytest.mark.parametrize("recorded", ["failed", pytest.param("running", marks=pytest.mark.matrix)])
def test_another_account_proves_nothing(playbook, tmp_path, recorded):
    """Of a run whose pod may live, whatever its record says of it."""
    run = tmp_path / "runs" / "lost_run"
    run.mkdir(parents=True)
    pod = {"provider": "runpod", "id": "abcdefghijklmn", "name": "podyard-digits-lost_run-0-1", "usd_per_hour": 0.69}
    asked = {"time": "2026-01-01T00:00:00Z", "gpu": None, "reason": None, **pod}
    rented = {"account": "user_mine", "key_hash": "0123456789abcdef01234567"}
    lines = [{**asked, **rented, "event": "creating", "id": None}, {**asked, "event": "created"}]
    lines += [{**asked, "event": "gone"}] * (recorded == "failed")
    (run / "attempts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    proved = {"gone_at": "2026-01-01T01:00:00Z", "gone_proved": True} if recorded == "failed" else {}
    job = {"project": "digits", "providers": ["runpod"], "consistency_grace": 1}
    record = {"run_id": run.name, "outcome": recorded, "job": job, "pods": [{**pod, **proved}]}
    (run / "run.json").write_text(json.dumps(record))
    with Stranger() as environ:
        done = subprocess.run(
            [BIN / "ansible-playbook", "podyard.gpu.stop", "-e", f"run_id={run.name}", "-e", f"runs_dir={run.parent}"],
            env={**playbook.environ, **environ}, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=RUN_TIMEOUT, check=False,
        )  # fmt: skip
    assert done.returncode != 0, done.stdout
    said = " ".join(done.stdout.split())
    for words in ("NOT PROVED GONE", pod["id"], "USD 0.69 per hour", "user_mine", "user_stranger", "RUNPOD_API_KEY"):
        assert words in said, said
    assert "all pods proved gone" not in said
    ledger = [json.loads(line) for line in (run / "attempts.jsonl").read_text().splitlines()]
    assert len(ledger) == len(lines), "nothing was proved, and nothing is written down"
