# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves behind for which nothing was ever rented: nothing."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from ...module_utils._core.files import replace_link
from ...module_utils._pods import fence
from ...module_utils._pods.ledger import FILE, Ledger
from .guard_state import ARMED, GIVING_BACK, GuardFile, lives
from .record import RunError
from .run_file import LATEST, RunFile

# What is written before the first create. Where anything else lies beside it, somebody keeps it there.
FILES = frozenset(
    {
        *("run.json", "run.lock", "plan.json", "guard.json", "guard.lock", "guard.log", "report.html"),
        *(FILE, fence.LOCK, fence.FENCE, fence.COMING),
    }
)
KEYS = "ssh"


def is_unrented(directory: Path) -> bool:
    """Whether no create was ever sent for the run of this directory; what cannot be read is a doubt."""
    if not (directory / "run.json").is_file() or (directory / "run.json").is_symlink():
        return False
    ledger = directory / FILE
    if ledger.exists():
        look = Ledger(directory).look()
        if look.events or look.problem is not None:
            return False
    state = GuardFile(directory).read()
    if state is not None and state.state in (ARMED, GIVING_BACK) and lives(state):
        return False
    try:
        record = RunFile(directory).read()
    except RunError:
        return False
    return record is None or not record.pods


def remove_unrented(directory: Path, *, write: bool = True) -> bool:
    """Remove the directory of a run for which nothing was rented; whether that was done, or would be without `write`.

    One in which something else lies stays. Raises RunError when it cannot be removed.
    """
    if not is_unrented(directory):
        return False
    try:
        found = {path.name: path for path in directory.iterdir()}
        others = [path for name, path in found.items() if name not in FILES and name != KEYS]
        if others or any(path.is_dir() for name, path in found.items() if name in FILES):
            return False
        if not write:
            return True
        # The record first: without it the rest is not taken for a run.
        for path in sorted(found.values(), key=lambda path: path.name != "run.json"):
            if path.name != KEYS or path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)
        directory.rmdir()
        _repoint(directory)
    except OSError as error:
        raise RunError(f"The run directory {directory} cannot be removed: {error}.") from error
    return True


def _repoint(directory: Path) -> None:
    """Let `latest` point to the newest run that there is, if it pointed to the one that was removed."""
    link = directory.parent / LATEST
    if not link.is_symlink() or link.readlink() != Path(directory.name):
        return
    others = []
    for path in directory.parent.iterdir():
        # Another process may remove one while we look.
        with contextlib.suppress(OSError):
            if not path.is_symlink() and not is_unrented(path):
                others.append(((path / "run.json").stat().st_mtime, path.name))
    if others:
        replace_link(link, max(others)[1])
    else:
        link.unlink(missing_ok=True)
