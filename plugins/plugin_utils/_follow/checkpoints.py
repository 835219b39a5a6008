# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing checkpoints home while the training goes on."""

from __future__ import annotations

import math
import posixpath
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from ...module_utils._core.patterns import Patterns, exactly
from .._common.ssh import SshHost
from .._transfer.foreign import ADVICE, Distrusted, checked_name, printable
from .._transfer.manifest import TreeError
from .._transfer.pull import Pull
from .._transfer.rsync import Cancelled
from .._transfer.transfer import Mover, Request

# One round brings at least one file, and then as many as fit these bounds, so that the next newest never waits long.
ROUND_BYTES = 256 << 20
ROUND_FILES = 200


def literal_base(patterns: list[str]) -> str:
    """Return the directory that all patterns begin with: `checkpoints` for `checkpoints/*`, else nothing."""
    folders = []
    for pattern in patterns:
        parts = pattern.removeprefix("./").strip("/").split("/")[:-1]
        folders.append(
            [part for position, part in enumerate(parts) if not set("*?[") & set("".join(parts[: position + 1]))]
        )
    return posixpath.commonpath(["/".join(parts) for parts in folders]) if folders and all(folders) else ""


def checked_files(found: Any, base: str) -> list[dict[str, Any]]:
    """Check the files that a look has found below an output directory, in its directory `base`.

    All of it is the pod's word.

    :raises Distrusted: for a name, a size or a hash that an honest pod does not send.
    """
    if not isinstance(found, list):
        raise Distrusted(f"The pod lists '{printable(repr(found))}' in the place of files. {ADVICE}")
    for record in found:
        if not isinstance(record, dict):
            raise Distrusted(f"The pod lists '{printable(repr(record))}' in the place of a file. {ADVICE}")
        path = checked_name(record.get("path"))
        if base and not path.startswith(f"{base}/"):
            raise Distrusted(
                f"The pod lists '{printable(path)}', which is not in {base}, where it was to look. {ADVICE}"
            )
        size, moment = record.get("bytes"), record.get("mtime")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 60:
            raise Distrusted(f"The pod says that '{printable(path)}' has '{printable(repr(size))}' bytes. {ADVICE}")
        timed = isinstance(moment, int | float) and math.isfinite(moment)
        if not timed or not isinstance(record.get("group"), str):
            raise Distrusted(f"The pod says that '{printable(path)}' changed at '{printable(repr(moment))}'. {ADVICE}")
    return found


class Checkpoints:
    """Fetches complete checkpoints, the newest first, one round at a time, beside the follower.

    `here` has size and time of each file that was fetched, by its path below the output directory.
    """

    def __init__(
        self,
        host: SshHost,
        output: str,
        target: Path,
        patterns: list[str],
        show: Callable[[str], None],
        most: int = 0,
    ) -> None:
        self.host, self.output, self.target, self.patterns = host, output, target, patterns
        self.base, self._most = literal_base(patterns), most
        self.here: dict[str, tuple[int, float]] = {}
        self.trouble = ""
        self._show = show
        self._seen: dict[str, tuple[int, float]] = {}
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def fetched(self) -> list[str]:
        """The paths of what was fetched, below the target."""
        return sorted(posixpath.relpath(path, self.base or ".") for path in self.here)

    def offer(self, found: list[dict[str, Any]]) -> None:
        """Begin a round with what a look has found, unless one is going on. A file must look the same twice."""
        found = self._checked(found)
        stable = [record for record in found if self._seen.get(record["path"]) == _signature(record)]
        self._seen = {record["path"]: _signature(record) for record in found}
        if self.busy:
            return
        chosen = self._choose(stable)
        if chosen:
            self._thread = threading.Thread(target=self._fetch, args=(chosen,), name="checkpoints", daemon=True)
            self._thread.start()

    def finish(self, found: list[dict[str, Any]]) -> None:
        """After the training's end: wait for the round that is going on, then fetch the rest.

        The rest are all that are missing, or only the newest checkpoint when they are more than one round may hold.
        """
        if self._thread is not None:
            self._thread.join()
        found = self._checked(found)
        missing = [record for record in found if self.here.get(record["path"]) != _signature(record)]
        if sum(record["bytes"] for record in missing) > ROUND_BYTES:
            newest = missing[0]["group"]
            self._show(f"follow: fetching only the newest checkpoint, {printable(newest)}; the others stay on the pod")
            missing = [record for record in missing if record["group"] == newest]
        if missing:
            self._fetch(missing)

    def call_off(self) -> None:
        """End a round that is going on; the host is gone."""
        self._cancel.set()
        if self._thread is not None:
            self._thread.join()

    def _checked(self, found: Any) -> list[dict[str, Any]]:
        """Return what a look has found, checked; nothing, and a warning, where that cannot be believed."""
        try:
            return checked_files(found, self.base)
        except Distrusted as error:
            self._complain(f"no checkpoint is fetched: {error}")
            return []

    def _complain(self, trouble: str) -> None:
        if trouble != self.trouble:
            self._show(f"follow: {trouble}")
        self.trouble = trouble

    def _choose(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        chosen: list[dict[str, Any]] = []
        total = 0
        for record in found:
            if self.here.get(record["path"]) == _signature(record):
                continue
            total += record["bytes"]
            if chosen and (total > ROUND_BYTES or len(chosen) == ROUND_FILES):
                break
            chosen.append(record)
        return chosen

    def _fetch(self, records: list[dict[str, Any]]) -> None:
        """One round. What goes wrong is kept in `trouble`; the next look offers the same files again."""
        paths = [posixpath.relpath(record["path"], self.base or ".") for record in records]
        request = Request(
            posixpath.join(self.output, self.base),
            str(self.target),
            Patterns(tuple(map(exactly, paths))),
            label="checkpoints",
            cached=False,
            most=self._most,
        )
        try:
            report = Pull(Mover(self.host, request, self._show, self._cancel)).run()
        except Cancelled:
            return
        except (AnsibleError, TreeError, OSError) as error:
            self._complain(f"a checkpoint could not be fetched yet: {error}")
            return
        self.trouble = ""
        for path, record in zip(paths, records, strict=True):
            if path in report.manifest:
                self.here[record["path"]] = _signature(record)


def _signature(record: dict[str, Any]) -> tuple[int, float]:
    return record["bytes"], record["mtime"]
