# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: after a run was given back, nothing may be rented for it any more.

Why: Ansible's module processes outlive a killed controller. One of them may be just about to send a create while the
guard gives the run back; a pod made after the last look would live, and bill, for ever. So every create runs inside
``creating(run_dir)``, which holds a shared lock. Who gives back calls ``announce(run_dir)`` at once, so that no further
create begins, ends what is known, and then ``raise_fence(run_dir)``, which waits for the creates in flight - but not
longer than a create may take: a frozen process must not keep the pods that are there. What such a process makes when
it wakes up it ends itself, for it looks at the fence once more (``create``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from .._core.errors import CloudError, Fenced
from .._core.files import EXCLUSIVE, SHARED, open_lock, take_lock
from .._http.exchange import TOTAL_SECONDS

LOCK = "fence.lock"
FENCE = "fence"
#: Stands while the fence is being raised: no further create begins.
COMING = "fence.coming"
#: Seconds that a create in flight is waited for: its one exchange, and to write its outcome down.
PATIENCE = TOTAL_SECONDS + 10.0
RunDir = Union[str, "os.PathLike[str]", None]


@contextlib.contextmanager
def creating(run_dir: RunDir) -> Iterator[None]:
    """Around [write intent, POST, write outcome] of one create. Without a run directory it does nothing.

    :raises Fenced: when the run was given back already; the body does not run then.
    """
    if run_dir is None:
        yield
        return
    with _locked(Path(run_dir), SHARED, PATIENCE) as held:
        if not held:
            raise CloudError(f"Nothing was rented: another process holds {Path(run_dir) / LOCK}. See why it waits.")
        if is_coming(run_dir):
            raise Fenced(
                f"This run rents nothing more: it was given back already ({Path(run_dir) / FENCE} exists). "
                "Start a new run."
            )
        yield


def announce(run_dir: RunDir) -> None:
    """Let no further create of this run begin; waits for nothing. :raises CloudError: when that cannot be written."""
    if run_dir is not None:
        _write(Path(run_dir), COMING)


def raise_fence(run_dir: RunDir, patience: float = PATIENCE) -> bool:
    """Forbid all further creates of this run, and wait for those that are in flight. Safe to repeat.

    :returns: False when one had not ended after ``patience`` seconds: what it makes may still come.
    :raises CloudError: when the fence cannot be written.
    """
    if run_dir is None:
        return True
    directory = Path(run_dir)
    try:
        announce(directory)
    finally:
        # Where the disk is full, what is in flight is waited for all the same.
        with _locked(directory, EXCLUSIVE, patience) as held:
            _write(directory, FENCE)
    return held


def is_raised(run_dir: RunDir) -> bool:
    """Return True when the run was given back."""
    return run_dir is not None and (Path(run_dir) / FENCE).exists()


def is_coming(run_dir: RunDir) -> bool:
    """Return True when the run was given back, or is being given back now."""
    return is_raised(run_dir) or (run_dir is not None and (Path(run_dir) / COMING).exists())


def _write(directory: Path, name: str) -> None:
    """Write an empty file; one that is there already will do."""
    with _reworded_errors(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _reworded_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloudError(f"The run directory {directory} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _locked(run_dir: Path, kind: int, patience: float) -> Iterator[bool]:
    """Hold ``fence.lock`` of the run directory; the lock goes with the process, so a killed one leaves none behind.

    :returns: False when another process held it for all of ``patience`` seconds.
    """
    with _reworded_errors(run_dir):
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_lock(run_dir / LOCK)
    try:
        yield _take(descriptor, kind, patience)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, patience: float) -> bool:
    try:
        return take_lock(descriptor, patience, kind)
    except OSError:
        # A file system without locks: nothing can be waited for, and nothing holds anybody up.
        return True
