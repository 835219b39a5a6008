# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: after a run was given back, nothing may be rented for it any more. Private to this collection.

Why: Ansible's module processes outlive a killed controller. One of them may be just about to send a create while the
guard gives the run back; a pod made after the last look would live, and bill, for ever. So every create runs inside
``creating(run_dir)``, which holds a shared lock, and who gives back calls ``raise_fence(run_dir)`` first, which waits
for a create in flight (exclusive lock) and then forbids the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from ansible_collections.podyard.gpu.plugins.module_utils._errors import CloudError, Fenced

LOCK = "fence.lock"
FENCE = "fence"
RunDir = Union[str, "os.PathLike[str]", None]


@contextlib.contextmanager
def creating(run_dir: RunDir) -> Iterator[None]:
    """Around [write intent, POST, write outcome] of one create. Without a run directory it does nothing.

    :raises Fenced: when the run was given back already; the body does not run then.
    """
    if run_dir is None:
        yield
        return
    with _locked(Path(run_dir), fcntl.LOCK_SH):
        if is_raised(run_dir):
            raise Fenced(
                f"Nothing is rented for this run any more: it was given back already ({Path(run_dir) / FENCE} exists). "
                "Start a new run."
            )
        yield


def raise_fence(run_dir: RunDir) -> None:
    """Forbid all further creates of this run; returns after a create that is in flight has ended. Safe to repeat."""
    if run_dir is None:
        return
    with _locked(Path(run_dir), fcntl.LOCK_EX):
        descriptor = os.open(Path(run_dir) / FENCE, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_raised(run_dir: RunDir) -> bool:
    """True when the run was given back."""
    return run_dir is not None and (Path(run_dir) / FENCE).exists()


@contextlib.contextmanager
def _locked(run_dir: Path, kind: int) -> Iterator[None]:
    """Hold ``fence.lock`` of the run directory; the lock goes with the process, so a killed one leaves none behind."""
    try:
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CloudError(f"The run directory {run_dir} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
