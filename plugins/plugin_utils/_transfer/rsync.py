# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving files with rsync."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import selectors
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ...module_utils._core.units import major_minor
from .._common.ssh import SSH_FAILED, SshHost, plain_environment, unreachable
from .bounds import GROWTH, HANG_UP_SECONDS, STALL_SECONDS, Oversize, Watch, Words
from .landing import Landing
from .manifest import PARTIAL
from .progress import Progress
from .remote import listed

# Below this an own connection costs more time than the faster cipher wins: about a second over an ocean, 16 MiB at the
# rate of the default cipher with compression.
BULK_BYTES = 16 << 20
# The first ones with --info=progress2, and with -s, which only those after 3.2.5 also know as --secluded-args.
OLDEST_HERE, OLDEST_THERE = (3, 1), (3, 0)
# Telling a version takes milliseconds; a program of this name that does something else must not hold us.
PROBE_SECONDS = 10.0
OPTIONS = (
    "--archive", "--no-owner", "--no-group", "--no-devices", "--no-specials", "--omit-dir-times", "-s",
    "--8-bit-output", f"--partial-dir={PARTIAL}", f"--timeout={STALL_SECONDS}", "--info=progress2",
    "--no-human-readable",
)  # fmt: skip
# What lies in the way of a push is told before, and removed.
PUSH_OPTIONS = ("--force",)
# What a pod sends are files and nothing else, which this user can read and no other user runs.
PULL_OPTIONS = ("--no-links", "--no-inc-recursive", "--chmod=D700,Fu+rw,Fgo-w,Fug-s,F-t")
# rsync's exit codes for a connection that broke: socket, protocol stream, timeouts.
_BROKEN = {10, 12, 30, 35, SSH_FAILED}
# Some files vanished or could not be read: the verification says which.
_SOME_MISSING = {23, 24}
# Of which these are told at once.
_TOLD = ("No space left", "File too large")
_LOGGED = re.compile(rb"^\S+ \S+ \[\d+\] [<>]f\S* (\d+) (.*)$")
_PROGRESS = re.compile(rb"[\r\n]\s*(\d+)\s+\d+%")


class Cancelled(Exception):
    """A transfer was called off by the one that began it."""


@dataclass
class Job:
    """One call of a mover: relative paths between `local` and the host's `remote` directory.

    `sizes` are the bytes of each path as they were listed. `again` sends also what looks the same by size and time;
    `links_only` moves symbolic links as such, else what they lead to is moved. Where `remote` is `shared`, others
    read there and may send the same at this moment, so that no file may be seen before it is whole.
    """

    host: SshHost
    local: Path
    remote: str
    paths: Sequence[str]
    bytes: int
    progress: Progress
    again: bool = False
    links_only: bool = False
    limit: float = 0.0
    cancel: threading.Event | None = None
    shared: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        """Bytes of the largest file."""
        return max(self.sizes.values(), default=0)

    @property
    def bulk(self) -> bool:
        return self.bytes > BULK_BYTES


@lru_cache(maxsize=4)
def _knows_our_options(program: str) -> bool:
    """Whether this rsync takes every option that is passed here: openrsync and older ones do not.

    It reads them all before it tells its version, and does not ask.
    """
    try:
        done = subprocess.run(
            [program, *OPTIONS, *PULL_OPTIONS, "--copy-links", "--ignore-times", "--bwlimit=1", "--version"],
            capture_output=True, check=False, stdin=subprocess.DEVNULL, env=_environment(), timeout=PROBE_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and version(os.fsdecode(done.stdout)) >= OLDEST_HERE


def usable() -> bool:
    """Whether this machine has an rsync that can talk safely."""
    program = shutil.which("rsync")
    return program is not None and _knows_our_options(program)


def version(text: str) -> tuple[int, int]:
    """Return the version of the real rsync in its first line; (0, 0) for another program, such as openrsync."""
    found = re.match(r"rsync\s+version\s+v?([0-9]+\.[0-9.]*[0-9])", text)
    return (major_minor(found[1]) if found else None) or (0, 0)


def _environment() -> dict[str, str]:
    """Return the environment for rsync, without variables that change what its options mean (RSYNC_OLD_ARGS)."""
    return {name: value for name, value in plain_environment().items() if not name.startswith("RSYNC_")}


def push(job: Job) -> dict[str, int]:
    """Send files to the host; return bytes that went over by path, for those that were not there already."""
    places = [f"{job.local}/", job.host.rsync_place(f"{job.remote}/")]
    return _run(job, PUSH_OPTIONS, places, _watch(job))


def pull(job: Job) -> dict[str, int]:
    """Fetch files from the host; return as `push` does."""
    places = [job.host.rsync_place(f"{job.remote}/"), f"{job.local}/"]
    options = [*PULL_OPTIONS, f"--max-size={job.largest + GROWTH}"]
    with Landing(job.local, private=True) as landing:
        # A file that goes on may be here twice: what is here already, and what becomes of it.
        most = landing.weigh() + job.bytes + job.largest + GROWTH
        return _run(job, options, places, _watch(job, landing.weigh, most), job.largest + GROWTH)


def _watch(job: Job, measure: Callable[[], int] | None = None, most: int = 0) -> Watch:
    return Watch(f"transfer ({job.progress.label})", job.bytes, job.limit, len(job.paths), measure, most)


def _arguments(job: Job, more: Sequence[str]) -> list[str]:
    arguments = ["rsync", *OPTIONS, *more, "-e", job.host.rsync_shell(bulk=job.bulk)]
    if not job.links_only:
        arguments.append("--copy-links")
    if job.again:
        arguments.append("--ignore-times")
    if job.limit > 0:
        arguments.append(f"--bwlimit={max(1, round(job.limit * 1024))}")
    return arguments


def _run(job: Job, more: Sequence[str], places: list[str], bounds: Watch, largest: int = 0) -> dict[str, int]:
    """Call rsync, show its progress, and return what it moved. No file may grow beyond `largest` bytes, if given.

    Raises AnsibleConnectionFailure, AnsibleActionFail, TreeError, Cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="podyard-") as name:
        folder = Path(name)
        (folder / "paths").write_bytes(listed(job.paths))
        log = folder / "log"
        command = [
            *_arguments(job, more),
            "--from0",
            f"--files-from={folder / 'paths'}",
            f"--log-file={log}",
            "--log-file-format=%i %b %n",
        ]
        with (
            subprocess.Popen(
                [*command, *places],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                # Python ignores the signal for a file that grows too large, and so does what it starts: rsync says it.
                restore_signals=False,
            ) as process,
            Words(process.stderr) as words,
        ):
            try:
                _limit_files(process, max(largest, bounds.words) if largest else 0)
                watch(process, job, lambda: bounds.check(words))
                _ended(process)
            except BaseException:
                process.kill()
                raise
        bounds.judge(words)
        _judge(job, process.returncode, words.text)
        return dict(_logged(log.read_bytes().splitlines())) if log.exists() else {}


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process that has said all, and end one that does not end."""
    try:
        process.wait(HANG_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _limit_files(process: subprocess.Popen[bytes], largest: int) -> None:
    """Let the kernel refuse what a process writes into a file beyond so many bytes, where the system can."""
    if largest and hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))


def watch(process: subprocess.Popen[bytes], job: Job, check: Callable[[], None] = lambda: None) -> None:
    """Read rsync's progress until it ends. Raises Cancelled when the job is called off, and what `check` raises."""
    output: IO[bytes] | None = process.stdout
    if output is None:
        raise ValueError("the process has no standard output to read")
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if job.cancel is not None and job.cancel.is_set():
                raise Cancelled
            check()
            # Half a second bounds how late a cancel is noticed.
            if not selector.select(timeout=0.5):
                continue
            chunk = os.read(output.fileno(), 65536)
            if not chunk:
                return
            for match in _PROGRESS.finditer(chunk):
                job.progress.at(int(match[1]))


def _judge(job: Job, code: int, words: str) -> None:
    if code == 0 or (code in _SOME_MISSING and not any(each in words for each in _TOLD)):
        return
    stage = f"transfer ({job.progress.label})"
    if "File too large" in words:
        raise Oversize(f"{stage}: a file is larger", job.largest)
    if code in _BROKEN:
        raise unreachable(stage, job.host, words)
    if code < 0:
        raise AnsibleConnectionFailure(f"{stage}: rsync was ended by signal {-code}.")
    lines = [line for line in words.splitlines() if line.strip()]
    raise AnsibleActionFail(f"{stage}: rsync failed with code {code}: {' '.join(lines[:3])}")


def _logged(lines: Iterable[bytes]) -> Iterable[tuple[str, int]]:
    """Read the log of files that were moved; rsync writes an odd byte as \\#ooo."""
    for line in lines:
        match = _LOGGED.match(line)
        if match:
            name = re.sub(rb"\\#(\d{3})", lambda found: bytes([int(found[1], 8)]), match[2])
            yield os.fsdecode(name), int(match[1])
