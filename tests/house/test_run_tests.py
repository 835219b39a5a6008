# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs the test suite: it counts, it stops what hangs, and it never takes a failure for a success."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time

import psutil
import pytest
from arrows import ROOT

JUNIT = '<testsuites><testsuite tests="5" failures="{bad}" errors="0" skipped="1"/></testsuites>'


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("run_tests", ROOT / "scripts" / "run_tests.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_tests"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["run_tests"]


@pytest.fixture
def run(program, tmp_path):
    """Run one command as a part; returns its outcome."""

    def start(*command, **options):
        return program.Suite(tmp_path).run(program.Part("part", "group", list(command), **options))

    return start


def numbers(outcome):
    return outcome.passed, outcome.failed, outcome.skipped


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_gate_counts_one(run):
    assert numbers(run("true")) == (1, 0, 0)
    assert numbers(run("false")) == (0, 1, 0)


def test_the_tests_of_a_report_are_counted(run):
    shell = f"echo '{JUNIT.format(bad=0)}' > {{junit}}"
    assert numbers(run("sh", "-c", shell, junit="part.xml")) == (4, 0, 1)
    shell = f"echo '{JUNIT.format(bad=2)}' > {{junit}}; exit 1"
    assert numbers(run("sh", "-c", shell, junit="part.xml")) == (2, 2, 1)


def test_a_part_that_broke_is_a_failure_whatever_its_report_says(run):
    assert numbers(run("true", junit="part.xml")) == (0, 1, 0), "no report at all"
    shell = f"echo '{JUNIT.format(bad=0)}' > {{junit}}; exit 2"
    assert numbers(run("sh", "-c", shell, junit="part.xml")) == (4, 1, 1)


def test_a_part_that_hangs_is_ended_with_all_it_started(program, run, monkeypatch, tmp_path):
    monkeypatch.setattr(program, "PART_LIMIT_S", 0.5)
    monkeypatch.setattr(program, "STOP_LIMIT_S", 0.5)
    outcome = run("sh", "-c", f"sleep 100 & echo $! > {tmp_path}/pid; wait")
    assert numbers(outcome) == (0, 1, 0)
    assert "the limit for one part" in outcome.log
    assert outcome.seconds < 60
    child = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 10  # the kernel may take a moment on a loaded machine
    while lives(child):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_part_that_hangs_may_clean_up_first(program, run, monkeypatch):
    monkeypatch.setattr(program, "PART_LIMIT_S", 1)
    outcome = run("bash", "-c", "trap 'echo cleaned up; exit 0' INT; while :; do sleep 0.1; done")
    assert numbers(outcome) == (0, 1, 0)
    assert "cleaned up" in outcome.log


def test_a_part_this_machine_cannot_run_is_skipped(run):
    assert numbers(run("false", absent="no such Python")) == (0, 0, 1)


def test_the_closing_line_and_the_exit_code(program, monkeypatch, capsys):
    good, bad = program.Part("good", "group", ["true"]), program.Part("bad", "group", ["sh", "-c", "echo why; exit 1"])
    monkeypatch.setattr(program, "all_parts", lambda: [good])
    assert program.main("all") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    monkeypatch.setattr(program, "all_parts", lambda: [bad, good])
    assert program.main("group") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 1 failed"
    assert "why" in lines


def test_what_was_measured_is_shown(program, monkeypatch, capsys):
    part = program.Part("part", "group", ["sh", "-c", "echo .; echo measured: 12 answers; echo not measured: 1"])
    monkeypatch.setattr(program, "all_parts", lambda: [part])
    assert program.main("all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "measured: 12 answers" in lines and "not measured: 1" not in lines


def test_a_last_part_waits_for_all_others_and_finds_what_they_recorded(program, monkeypatch, tmp_path, capsys):
    write = 'sleep 0.2; mkdir -p "$PODYARD_SANDBOX_TRAFFIC"; touch "$PODYARD_SANDBOX_TRAFFIC/{name}"'
    parts = [program.Part(name, "group", ["sh", "-c", write.format(name=name)]) for name in ("a", "b", "c")]
    look = 'cd "$PODYARD_SANDBOX_TRAFFIC" && [ "$(ls)" = "$(printf "a\nb\nc")" ]'
    last = program.Part("look", "group", ["sh", "-c", look], last=True)
    monkeypatch.setattr(program, "all_parts", lambda: [last, *parts])
    assert program.main("group") == 0, capsys.readouterr().out
    directory = program.ROOT / capsys.readouterr().out.split("logs are in ")[1].splitlines()[0]
    assert not (directory / "traffic").exists(), "the record is large, and nobody asks for it after a success"


def test_an_unknown_part_is_refused(program):
    assert program.main("untit") == 2


def test_what_others_cover_runs_only_by_itself(program, monkeypatch, capsys):
    covered = program.Part("same", "group", ["true"], covered=True)
    monkeypatch.setattr(program, "all_parts", lambda: [covered, program.Part("other", "others", ["true"])])
    assert program.main("all") == 0 and "1 passed, 0 failed" in capsys.readouterr().out
    assert program.main("group") == 0 and "same" in capsys.readouterr().out


def test_one_part_runs_by_its_name_and_a_group_comes_first(program, monkeypatch, capsys):
    names = [("one", "group"), ("two", "group"), ("group", "others")]
    monkeypatch.setattr(program, "all_parts", lambda: [program.Part(name, group, ["true"]) for name, group in names])
    assert program.main("two") == 0 and "1 passed, 0 failed" in capsys.readouterr().out
    assert program.main("group") == 0 and "2 passed, 0 failed" in capsys.readouterr().out


def test_a_copy_of_the_tree_leaves_the_index_of_a_commit_alone(program, monkeypatch, tmp_path):
    """`git commit` hands its hooks the index that it will commit, by GIT_INDEX_FILE."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "file").write_text("text")
    for words in (["init", "--quiet"], ["add", "file"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    index = clone / ".git" / "index"
    before = index.read_bytes()
    monkeypatch.setattr(program, "ROOT", clone)
    monkeypatch.setenv("GIT_DIR", str(clone / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    (clone / "new").write_text("not yet of the commit")
    program.copy_tree(tmp_path / "copy")
    assert (tmp_path / "copy" / ".git" / "index").is_file() and index.read_bytes() == before


def test_every_group_of_the_makefile_has_parts(program):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = [line for line in makefile.splitlines() if line.startswith("PARTS :=")]
    groups = {part.group for part in program.all_parts()}
    assert groups - {"brief"} == set(line.removeprefix("PARTS :=").split())


def test_all_runs_the_brief_form_of_what_a_group_runs_whole(program, monkeypatch, capsys):
    brief, whole = (
        program.Part("brief one", "brief", ["true"]),
        program.Part("whole one", "sanity", ["true"], covered=True),
    )
    monkeypatch.setattr(program, "all_parts", lambda: [brief, whole])
    for group, said, not_said in (("all", "brief one", "whole one"), ("sanity", "whole one", "brief one")):
        assert program.main(group) == 0
        told = capsys.readouterr().out
        assert said in told and not_said not in told


IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
TELL = "from signal import *; print([getsignal(number) is SIG_IGN for number in (SIGINT, SIGQUIT, SIGHUP)])"
ONE_PART = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("run_tests", {path!r})
program = sys.modules["run_tests"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
program.all_parts = lambda: [program.Part("part", "group", [sys.executable, "-c", {tell!r}])]
program.show_failures = lambda outcomes: print("told:", outcomes[0].log)
sys.exit(program.main("group"))
"""


def in_the_background(*command):
    """Run a command as a shell's background job would, and under ``nohup``."""

    def ignore():
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    # A minute, for what hangs would hang for ever; both commands take two seconds.
    return subprocess.run(command, preexec_fn=ignore, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def test_a_part_hears_the_signals_that_a_background_job_ignores():
    assert "[True, True, True]" in in_the_background(sys.executable, "-c", TELL).stdout
    text = ONE_PART.format(path=str(ROOT / "scripts" / "run_tests.py"), tell=TELL)
    done = in_the_background(sys.executable, "-c", text)
    assert "told: [False, False, False]" in done.stdout, done.stdout + done.stderr


def test_tests_that_are_called_in_the_background_hear_their_signals():
    tests = "tests/unit/plugins/module_utils/_core/test_workers.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, "-k", "a_signal_ends_the_waits"]
    done = in_the_background(*command)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
