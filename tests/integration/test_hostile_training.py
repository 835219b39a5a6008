# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings over real SSH on hosts where odd things lie in the place of files, programs are broken, or answers lie."""

from __future__ import annotations

import os

import pytest
from pod_side import playing, put_program, serving

LIAR = """#!{python}
# Stands for the Python of a host that does not tell the truth about a training.
import base64, json, sys, zlib
sys.stdin.buffer.read()
state = {{"state": "running", "seconds": 1, "trouble": {{"clock\\x1b[2J": "it lies"}}}}
bomb = base64.b64encode(zlib.compress(b"A" * (200 << 20), 1)).decode()
with open({counter!r}, "a+") as count:
    count.seek(0)
    turn = len(count.read())
    count.write("x")
place = {{"offset": 200 << 20, "size": 200 << 20, "reset": False}}
part = {{"offset": 0, "size": 0, "reset": False}}
none = base64.b64encode(zlib.compress(b"")).decode()
if turn == 0:
    print(json.dumps({{**state, "log": place, "metrics": place, "gpu": place}}), bomb, bomb, bomb, sep="\\n")
elif turn == 1:
    print("[" * 100000)
elif turn == 2:
    while True:
        sys.stdout.write("y" * 1000000)
else:
    end = {{"state": "succeeded", "exit_code": 0, "seconds": 9e99, "lease_ends_in": 1e308}}
    print(json.dumps({{**end, "log": part, "metrics": part, "gpu": part}}), none, none, none, sep="\\n")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "s") as found:
        yield found


@pytest.fixture
def plays(server, tmp_path):
    with playing(server, tmp_path / "plays") as found:
        yield found


def started(directory, command):
    arguments = {"dir": str(directory), "command": command, "sample_interval": 0.3}
    return {"name": "start", "podyard.gpu.training": arguments}


def followed(directory, here, **options):
    arguments = {"dir": str(directory), "run_dir": str(here), "poll_interval": 0.5, **options}
    return {"name": "follow", "podyard.gpu.training_progress": arguments}


def test_a_training_with_a_directory_and_a_pipe_in_the_place_of_files_succeeds(plays, tmp_path):
    """What cannot be read is left out and told; the training goes on, and its end is seen."""
    there, here = tmp_path / "there", tmp_path / "here"
    command = """
    mkdir -p output/logs
    rm -f started_at gpu.jsonl heartbeat && mkfifo started_at gpu.jsonl
    echo "all went fine" >exit_code
    printf '\\r 10%%\\r 20%%'
    sleep 1.5
    printf 'done\\n'
    """
    ran = plays.good(started(there, command), followed(there, here, metrics_file="logs", unreachable_timeout=1))
    result = ran["follow"]
    assert (result["outcome"], result["exit_code"], result["reconnects"]) == ("succeeded", 0, 0)
    for part in ("metrics", "gpu", "exit_code"):
        assert f"follow: {part}: it could not be read on pod and is left out:" in ran.output
    assert (here / "train.log").read_bytes() == b"\r 10%\r 20%done\n"


def test_a_host_without_a_working_python_still_tells_how_a_training_ended(plays, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    broken = tmp_path / "broken"
    broken.mkdir()
    # The modules run with the real one, the looks with one that dies, as where memory is short.
    text = '#!/bin/sh\n[ "$1" = - ] || exec /usr/bin/python3 "$@"\necho Killed >&2\nexit 137\n'
    put_program(broken, "python3", text)
    plays.variables["ansible_python_interpreter"] = str(broken / "python3")
    ran = plays.run(started(there, "sleep 1; exit 3"), followed(there, here, unreachable_timeout=1))
    assert (ran["follow"]["outcome"], ran["follow"]["exit_code"]) == ("failed", 3)
    assert "ended with 137: Killed" in ran.output


def test_a_host_that_lies_ends_nothing_and_takes_no_memory(plays, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    liar = tmp_path / "liar"
    put_program(tmp_path, "liar", LIAR.format(python="/usr/bin/python3", counter=str(tmp_path / "turns")))
    plays.variables["ansible_python_interpreter"] = str(liar)
    ran = plays.run(followed(there, here, unreachable_timeout=1))
    result = ran["follow"]
    assert (result["outcome"], result["seconds"], result["lease_ends_at"]) == ("succeeded", None, None)
    assert "log: it could not be read on pod and is left out: the host reported something impossible" in ran.output
    assert "an unusable answer" in ran.output
    assert os.path.getsize(here / "follow.lock") == 0 and not (here / "train.log").exists()


def test_a_metric_with_half_a_character_and_no_number_is_kept(plays, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    line = '{"epoch": 1, "loss": NaN, "best": 1e999, "worst": "caf\\\\udce9.jpg", "big": ' + "9" * 5000 + "}"
    command = f"mkdir -p output; echo '{line}' >output/metrics.jsonl"
    result = plays.good(started(there, command.replace("\\\\", "\\")), followed(there, here))["follow"]
    told = {"epoch": 1, "loss": "NaN", "best": "Infinity", "worst": "caf\\udce9.jpg", "big": "9" * 2000 + "…"}
    assert result["metrics"] == told
    assert (here / "metrics.jsonl").read_text() == line.replace("\\\\", "\\") + "\n"
