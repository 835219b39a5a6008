# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's state directory: its location, its files, and the locks that keep two sandboxes apart."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_KEY_LETTERS = string.ascii_uppercase + string.digits


def default_home(environ: Mapping[str, str]) -> Path:
    """Return ``PODYARD_SANDBOX_HOME``, or else ``podyard-sandbox`` in the user's state directory."""
    if environ.get("PODYARD_SANDBOX_HOME"):
        return Path(environ["PODYARD_SANDBOX_HOME"]).expanduser().absolute()
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "podyard-sandbox"


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file atomically: a reader sees the old text or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, path)


class Home:
    """One sandbox's state directory (0700).

    Attributes:
        root: the directory itself.
        ledger: every pod and every changing request, one JSON document per line.
        log: what the daemon prints.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.ledger = self.root / "ledger.jsonl"
        self.log = self.root / "daemon.log"
        self._daemon = self.root / "daemon.json"
        self._key = self.root / "api_key"
        self._vast_key = self.root / "vast_api_key"

    def create(self) -> None:
        """Create the directory if it does not exist."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def api_key(self) -> str:
        """Return the RunPod account's API key, which the first call generates and stores (0600)."""
        if not self._key.exists():
            key = "rpa_" + "".join(secrets.choice(_KEY_LETTERS) for _letter in range(40))
            write_text(self._key, key + "\n")
        return self._key.read_text(encoding="utf-8").strip()

    def vast_api_key(self) -> str:
        """Return the Vast.ai account's API key, which the first call generates and stores (0600)."""
        if not self._vast_key.exists():
            write_text(self._vast_key, secrets.token_hex(32) + "\n")
        return self._vast_key.read_text(encoding="utf-8").strip()

    def daemon(self) -> dict[str, Any] | None:
        """Return what the running daemon recorded about itself (url, pid, pace), or None if none runs."""
        if not self.locked("daemon"):
            return None
        try:
            return json.loads(self._daemon.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None  # the daemon holds its lock and is still starting

    def write_daemon(self, facts: dict[str, Any]) -> None:
        """Record that this daemon serves; only the daemon calls this."""
        write_text(self._daemon, json.dumps(facts) + "\n")

    def forget_daemon(self) -> None:
        """Record that no daemon serves."""
        self._daemon.unlink(missing_ok=True)

    def locked(self, name: str) -> bool:
        """Return whether a process holds the lock."""
        if not self.root.is_dir():
            return False
        with self._open_lock(name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    @contextmanager
    def lock(self, name: str, wait: bool = True) -> Iterator[None]:
        """Hold a lock; the kernel releases it when the process dies, however it dies.

        Raises:
            BlockingIOError: another process holds it, and ``wait`` is False.
        """
        self.create()
        with self._open_lock(name) as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _open_lock(self, name: str) -> Any:
        return open(self.root / f"{name}.lock", "a", encoding="utf-8")
