#!/usr/bin/env python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of the test suite, three at a time, and close with one line that counts.

Called after the set-up with ``all``, the name of a group (``lint``, ``unit``, ``sandbox-test``, ``integration``,
``matrix``, ``molecule``, ``sanity``, ``conformance``) or the name of one part (``mypy plugins``). Every part runs, even
if one before it failed. Each part's output goes to ``build/test/<id>/``; the log of a part that failed is shown at the
end. A pytest part counts its tests (read from its JUnit file); every other part counts one. The exit code is 0 only if
nothing failed.

Every sandbox that a part starts records its traffic below that directory, and when all else has ended, the last part
holds all of it against the API's description.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing
import xml.etree.ElementTree
from dataclasses import dataclass, field, replace

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A part that hangs must not keep the others' results back; the longest takes about a third of this.
PART_LIMIT_S = 20 * 60
# Long enough for a run that a test has started to give its pod back, and for the test to stop its sandbox.
STOP_LIMIT_S = 60
# Two cores is the machine this is made for, and a whole cycle waits for a fifth of its time.
AT_ONCE = 3
LOG_LINES_SHOWN = 150
FIGURE = "measured: "
TRAFFIC = "tests/conformance/test_traffic.py"
CORES = {"219": "2.19", "221": "2.21"}
OLDEST = "219"
# ansible-lint and molecule install the collection into Ansible's home, where a copy of an older state would be found
# before the clone's own.
OWN_HOME = {"ANSIBLE_HOME": "{directory}/ansible"}
PLUGINS_ALONE = ["--test", "pylint", "plugins/"]
# Unit tests of what imports Ansible.
ANSIBLE_SIDE = [path for path in sorted((ROOT / "tests/unit/plugins").iterdir()) if path.name != "module_utils"]
# Files of the integration tests of which `make test` runs a sample only.
MATRIX = ("give_back", "cycle", "bad_input", "settings")


@dataclass(frozen=True)
class Part:
    """One command and where its JUnit files are (none: a gate, which counts one).

    ``tree`` names a copy of the working tree to run in, at a path as Ansible wants it; empty means the clone itself.
    ``absent`` says why this machine cannot run the part. ``last``: it looks at what the others left. ``covered``:
    others have the same tests or a sample of them, so that it runs only when its own group is asked for. The group
    ``brief`` is for ``all`` alone.
    """

    name: str
    group: str
    command: list[str]
    tree: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    junit: str = ""
    absent: str = ""
    last: bool = False
    covered: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a part came to. ``failed`` is never 0 when its command failed; ``log`` is what it printed."""

    part: Part
    passed: int
    failed: int
    skipped: int
    seconds: float = 0.0
    log: str = ""


def gates() -> list[Part]:
    """Return the checks that read the tree and need no pod."""
    scripts = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("scripts/*.sh"))]
    commands = {
        "ansible-lint": ["ansible-lint", "--offline", "--profile", "production", "--strict"],
        "mypy plugins": ["mypy", "-p", "ansible_collections.podyard.gpu.plugins"],
        "mypy sandbox": ["mypy", "-p", "podyard_sandbox"],
        "mypy scripts": ["mypy", "scripts", "examples"],
        "ruff": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "yamllint": ["yamllint", "--strict", "."],
        "shellcheck": ["shellcheck", "-x", "-P", "scripts", *scripts, ".ci/run"],
        "antsibull-changelog": ["antsibull-changelog", "lint"],
    }
    docs = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self"]
    parts = [Part(name, "lint", command, environment=OWN_HOME) for name, command in commands.items()]
    return [*parts, Part("antsibull-docs", "lint", [*docs, "--check-extra-docs-refs", "."], tree="docs")]


def pytest(name: str, group: str, *paths: str, last: bool = False) -> Part:
    """Return a directory of tests as a part. No cache is kept, so that two calls at once do not meet."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml={junit}", *paths]
    return Part(name, group, command, junit=f"{name.replace(' ', '-')}.xml", last=last)


def ansible_test(core: str) -> list[Part]:
    """Return sanity and units on one ansible-core, each in brief and whole.

    They are absent where the machine has no Python for it.
    """
    label, tools = CORES[core], ROOT / f".venv-core{core}" / "bin"
    absent = "no Python 3.12 or newer on this machine" if (ROOT / ".cache" / f"no-core{core}").exists() else ""
    # shellcheck, which a sanity test calls, is in the main environment, which comes later on the PATH.
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    environment = {"HOME": str(ROOT / ".cache" / f"home-core{core}"), "PATH": path}
    options = ["--local", "--python", "{python}", "--color", "no"]
    # Sanity makes its environments below HOME; another `make test` of this clone must not do so at the same moment.
    alone = ["flock", str(ROOT / ".cache" / f"core{core}.lock")]
    program, tree = str(tools / "ansible-test"), f"core{core}"
    units = "{tree}/tests/output/junit/*.xml"
    part = Part("", "brief", [], tree, environment, absent=absent)
    # pylint takes longer than all the others together, and of what is no plugin ruff says most of it.
    each = [[program, "sanity", *options, *which] for which in (["--skip-test", "pylint"], PLUGINS_ALONE)]
    brief = [*alone, "bash", "-ec", "\n".join(map(shlex.join, each))]
    # What knows nothing of Ansible is as good on one core as on the other.
    few = [] if core == OLDEST else [f"{path.relative_to(ROOT)}/" for path in ANSIBLE_SIDE]
    whole = replace(part, group="sanity", covered=True)
    return [
        replace(part, name=f"sanity {label}", command=brief),
        replace(part, name=f"units {label}", command=[program, "units", *options, *few], junit=units),
        replace(whole, name=f"whole sanity {label}", command=[*alone, program, "sanity", *options]),
        replace(whole, name=f"whole units {label}", command=[program, "units", *options], junit=units),
    ]


def integration() -> list[Part]:
    """Return each file of the integration tests as a part of its own (each has its own sandbox), the longest first."""
    files = sorted(ROOT.glob("tests/integration/test_*.py"), key=lambda file: file.stat().st_size, reverse=True)
    return [pytest(file.stem.replace("test_", "integration "), "integration", str(file)) for file in files]


def matrix() -> list[Part]:
    """Return the tests with every combination of moment, signal and fault, of which `integration` runs a sample."""
    whole = {"PODYARD_WHOLE_MATRIX": "1"}
    parts = [pytest(f"matrix {name}", "matrix", f"tests/integration/test_{name}.py") for name in MATRIX]
    return [replace(part, environment=whole, covered=True) for part in parts]


def all_parts() -> list[Part]:
    """Return every part, the long ones first, so that the lanes end at about the same time."""
    return [
        *integration(),
        *ansible_test("219"),
        pytest("sandbox", "sandbox-test", "tests/sandbox"),
        *ansible_test("221"),
        # Its usual place for state is named after the clone's directory alone, and two clones may share it.
        Part(
            "molecule",
            "molecule",
            ["molecule", "test", "--all"],
            environment={**OWN_HOME, "MOLECULE_EPHEMERAL_DIRECTORY": "{directory}/molecule"},
        ),
        pytest("conformance", "conformance", "tests/conformance", f"--ignore={TRAFFIC}"),
        pytest("traffic", "conformance", TRAFFIC, last=True),
        *matrix(),
        # The parts `units` have the same tests, once for each core.
        replace(pytest("unit", "unit", "tests/unit"), covered=True),
        pytest("house", "unit", "tests/house"),
        *gates(),
    ]


def copy_tree(target: pathlib.Path) -> None:
    """Copy what git knows or would know to ``target``, and make that a work tree: ansible-test lists files with git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    # In a hook of `git commit` they name the clone's own repository and index, which a copy must not write to.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "init", "--quiet"], cwd=target, env=environment, check=True)
    subprocess.run(["git", "add", "--all"], cwd=target, env=environment, check=True)


def count(reports: list[pathlib.Path]) -> tuple[int, int, int]:
    """Return passed, failed and skipped of the JUnit files."""
    passed = failed = skipped = 0
    for report in reports:
        for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            left_out = int(suite.get("skipped", 0))
            failed += bad
            skipped += left_out
            passed += int(suite.get("tests", 0)) - bad - left_out
    return passed, failed, skipped


class Suite:
    """One call of this program: its directory below ``build/test``, its copies of the tree, its running processes."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def tree(self, part: Part) -> pathlib.Path:
        """Return the directory the part runs in."""
        if not part.tree:
            return ROOT
        return self.directory / part.tree / "ansible_collections" / "podyard" / "gpu"

    def prepare(self, parts: list[Part]) -> None:
        """Make the copies of the tree that the parts want."""
        for tree in {self.tree(part) for part in parts if part.tree and not part.absent}:
            copy_tree(tree)

    def clear(self) -> None:
        """Remove the copies, and keep the logs."""
        for directory in self.directory.iterdir():
            if directory.is_dir():
                shutil.rmtree(directory)

    def run(self, part: Part) -> Outcome:
        """Run one part to its end and say on the screen how it went."""
        if part.absent:
            print(f"  skipped  {part.name}: {part.absent}", flush=True)
            return Outcome(part, 0, 0, 1)
        log = self.directory / f"{part.name.replace(' ', '-')}.log"
        started = time.monotonic()
        with log.open("wb") as output:
            succeeded = self._execute(part, output)
        seconds = time.monotonic() - started
        passed, failed, skipped = self._counts(part, succeeded)
        print(f"  {'ok' if not failed else 'FAILED':8} {part.name} ({seconds:.0f} s)", flush=True)
        return Outcome(part, passed, failed, skipped, seconds, log.read_text(encoding="utf-8", errors="replace"))

    def _command(self, part: Part) -> list[str]:
        """Fill in what is known only now: where the report goes, which Python the environment has."""
        junit = self.directory / part.junit
        python = ""
        if any("{python}" in word for word in part.command):
            interpreter = str(ROOT / f".venv-{part.tree}" / "bin" / "python")
            command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            python = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return [word.replace("{junit}", str(junit)).replace("{python}", python) for word in part.command]

    def _environment(self, part: Part) -> dict[str, str]:
        record = {"PODYARD_SANDBOX_TRAFFIC": str(self.directory / "traffic")}
        own = {name: value.replace("{directory}", str(self.directory)) for name, value in part.environment.items()}
        return {**record, **own}

    def _execute(self, part: Part, output: typing.IO[bytes]) -> bool:
        """Run the command in a session of its own, so that all it started can be ended with it."""
        with self._lock:
            if self._stopped:
                return False
            process = subprocess.Popen(
                self._command(part),
                cwd=self.tree(part),
                env={**os.environ, **self._environment(part)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._processes.add(process)
        try:
            return process.wait(PART_LIMIT_S) == 0
        except subprocess.TimeoutExpired:
            output.write(f"\nended after {PART_LIMIT_S} s, the limit for one part\n".encode())
            return False
        finally:
            self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the process, by an interrupt first: on that pytest stops the sandboxes its tests started."""
        with self._lock:
            self._processes.discard(process)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)
            # What did not heed the interrupt, be it the process or something it had started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End all that runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            running = list(self._processes)
        for process in running:
            self._end(process)

    def _counts(self, part: Part, succeeded: bool) -> tuple[int, int, int]:
        """Return passed, failed, skipped of one part."""
        if not part.junit:
            return int(succeeded), int(not succeeded), 0
        pattern = part.junit.replace("{tree}/", "")
        reports = sorted(self.tree(part).glob(pattern) if part.tree else self.directory.glob(pattern))
        passed, failed, skipped = count(reports)
        # A part that broke before its first test, or found none, must not look like one without faults.
        if not succeeded or not reports:
            failed = max(failed, 1)
        return passed, failed, skipped


def show_failures(outcomes: list[Outcome]) -> None:
    """Print the end of the log of every part that failed."""
    for outcome in outcomes:
        if outcome.failed:
            print(f"\n===== {outcome.part.name} failed =====")
            print("\n".join(outcome.log.splitlines()[-LOG_LINES_SHOWN:]))


def show_figures(outcomes: list[Outcome]) -> None:
    """Print what tests have measured: lines of their output that say so."""
    for outcome in outcomes:
        for line in outcome.log.splitlines():
            if line.startswith(FIGURE):
                print(line)


def hand_down_no_ignored_signals() -> None:
    """Let what is started hear the signals that whoever started us lets us ignore, and go on ignoring them here.

    A shell's background job ignores SIGINT and SIGQUIT, ``nohup`` SIGHUP. A program starts with an ignored signal
    ignored, and with one that has a handler at its default.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def chosen(name: str) -> list[Part]:
    """Return the parts of the group of that name, else the one part of that name."""
    every = all_parts()
    if name == "all":
        return [part for part in every if not part.covered]
    return [part for part in every if part.group == name] or [part for part in every if part.name == name]


def main(name: str) -> int:
    """Run the parts of a group, or one part; return the exit code."""
    parts = chosen(name)
    if not parts:
        print(f"run_tests.py knows no part {name!r}", file=sys.stderr)
        return 2
    (ROOT / "build" / "test").mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S-")
    suite = Suite(pathlib.Path(tempfile.mkdtemp(prefix=stamp, dir=ROOT / "build" / "test")))
    print(f"{len(parts)} parts, {AT_ONCE} at a time; logs are in {suite.directory.relative_to(ROOT)}", flush=True)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    hand_down_no_ignored_signals()
    suite.prepare(parts)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as lanes:
        try:
            outcomes = list(lanes.map(suite.run, [part for part in parts if not part.last]))
            outcomes += [suite.run(part) for part in parts if part.last]
        except BaseException:
            lanes.shutdown(wait=False, cancel_futures=True)
            suite.stop()
            raise
    show_failures(outcomes)
    show_figures(outcomes)
    passed, failed = sum(each.passed for each in outcomes), sum(each.failed for each in outcomes)
    skipped = sum(each.skipped for each in outcomes)
    if not failed:
        suite.clear()
    print(f"\nwall time {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:2] or ["all"]))
    except KeyboardInterrupt:
        sys.exit(130)
