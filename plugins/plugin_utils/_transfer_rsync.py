# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving files with rsync. Private to this collection."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.plugin_utils._manifest import PARTIAL
from ansible_collections.podyard.gpu.plugins.plugin_utils._ssh import (
    SSH_FAILED,
    SshHost,
    plain_environment,
    unreachable,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_progress import Progress
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_remote import listed

# Below this an own connection costs more time than the faster cipher wins: about a second over an ocean, 16 MiB at the
# rate of the default cipher with compression.
BULK_BYTES = 16 << 20
# rsync gives up when nothing moves for two minutes; a network volume may hold its breath for a while.
STALL_SECONDS = 120
# rsync's exit codes for a connection that broke: socket, protocol stream, timeouts.
_BROKEN = {10, 12, 30, 35, SSH_FAILED}
# Some files vanished or could not be read: the verification says which.
_SOME_MISSING = {23, 24}
_LOGGED = re.compile(rb"^\S+ \S+ \[\d+\] [<>]f\S* (\d+) (.*)$")
_PROGRESS = re.compile(rb"[\r\n]\s*(\d+)\s+\d+%")


class Cancelled(Exception):
    """A transfer was called off by the one that began it."""


@dataclass
class Job:
    """One call of a mover: relative paths between `local` and the host's `remote` directory.

    `again` sends also what looks the same by size and time; `links_only` moves symbolic links as such, else what they
    lead to is moved.
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

    @property
    def bulk(self) -> bool:
        return self.bytes > BULK_BYTES


@lru_cache(maxsize=1)
def usable() -> bool:
    """Whether this machine has an rsync that can talk safely: the real one, from 3.1 on."""
    program = shutil.which("rsync")
    if program is None:
        return False
    done = subprocess.run([program, "--version"], capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL)
    version = re.search(r"version (\d+)\.(\d+)", done.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= (3, 1) and done.stdout.startswith("rsync")


def push(job: Job) -> dict[str, int]:
    """Send files to the host; return bytes that went over by path, for those that were not there already."""
    return _run(job, [f"{job.local}/", job.host.rsync_place(f"{job.remote}/")])


def pull(job: Job) -> dict[str, int]:
    """Fetch files from the host; return as `push` does."""
    return _run(job, [job.host.rsync_place(f"{job.remote}/"), f"{job.local}/"])


def _arguments(job: Job) -> list[str]:
    arguments = ["rsync", "--archive", "--no-owner", "--no-group", "--no-devices", "--no-specials", "--omit-dir-times"]
    arguments += [
        "--secluded-args",
        "--8-bit-output",
        f"--partial-dir={PARTIAL}",
        "--force",
        f"--timeout={STALL_SECONDS}",
    ]
    arguments += ["--info=progress2", "--no-human-readable", "-e", job.host.rsync_shell(bulk=job.bulk)]
    if not job.links_only:
        arguments.append("--copy-links")
    if job.again:
        arguments.append("--ignore-times")
    if job.limit > 0:
        arguments.append(f"--bwlimit={max(1, round(job.limit * 1024))}")
    return arguments


def _run(job: Job, places: list[str]) -> dict[str, int]:
    """Call rsync, show its progress, and return what it moved.

    Raises AnsibleConnectionFailure, AnsibleActionFail, Cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="podyard-") as name, tempfile.TemporaryFile() as errors:
        folder = Path(name)
        (folder / "paths").write_bytes(listed(job.paths))
        log = folder / "log"
        command = [
            *_arguments(job),
            "--from0",
            f"--files-from={folder / 'paths'}",
            f"--log-file={log}",
            "--log-file-format=%i %b %n",
        ]
        with subprocess.Popen(
            [*command, *places],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=plain_environment(),
        ) as process:
            try:
                watch(process, job)
            except BaseException:
                process.terminate()
                raise
        errors.seek(0)
        _judge(job, process.returncode, errors.read().decode(errors="replace"))
        return dict(_logged(log.read_bytes().splitlines())) if log.exists() else {}


def watch(process: subprocess.Popen[bytes], job: Job) -> None:
    """Read rsync's progress until it ends. Raises Cancelled when the job is called off."""
    output: IO[bytes] | None = process.stdout
    if output is None:
        raise ValueError("the process has no standard output to read")
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if job.cancel is not None and job.cancel.is_set():
                raise Cancelled
            # Half a second bounds how late a cancel is noticed.
            if not selector.select(timeout=0.5):
                continue
            chunk = os.read(output.fileno(), 65536)
            if not chunk:
                return
            for match in _PROGRESS.finditer(chunk):
                job.progress.at(int(match[1]))


def _judge(job: Job, code: int, words: str) -> None:
    if code == 0 or (code in _SOME_MISSING and "No space left" not in words):
        return
    stage = f"transfer ({job.progress.label})"
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
