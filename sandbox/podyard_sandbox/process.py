# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping the daemon from the outside."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from podyard_sandbox.client import Client, ControlError
from podyard_sandbox.home import Home
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.settings import Settings

# Long enough to check the machine and to sweep what a killed daemon left, even under load.
_READY_TIMEOUT = 90.0
# Long enough for an orderly end of a handful of pods; after that, the daemon is killed and its leftovers are swept.
_DOWN_TIMEOUT = 30.0
_POLL_INTERVAL = 0.05
# The daemon passes its environment to no one, but it cannot leak what it does not have.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "VIRTUAL_ENV")


class ProcessError(Exception):
    """The daemon could not be started or stopped; the message is one sentence for the user."""


def up(home: Home, settings: Settings, given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Start the daemon unless one runs; apply the given settings to one that does.

    Returns:
        What the daemon recorded about itself, and whether this call started it.

    Raises:
        ProcessError: the daemon did not start.
    """
    home.create()
    home.api_key()
    with home.lock("up"):
        facts = running_daemon(home)
        if facts is None:
            _spawn(home, settings)
            facts = running_daemon(home)
            if facts is None:
                raise ProcessError(f"The sandbox ended right after its start; {home.log} says why.")
            return facts, True
        if given:
            Client(facts["url"], home.api_key()).change_settings(given)
        return facts, False


def down(home: Home) -> bool:
    """Stop the daemon and remove all that it, or a killed one, left behind; return whether one was running.

    Raises:
        ProcessError: something could not be removed.
    """
    if not home.root.is_dir():
        return False
    with home.lock("up"):
        facts = running_daemon(home)
        if facts is not None:
            _end(home, facts["pid"])
        try:
            asyncio.run(PodRuntime(home.root).sweep())
        except (PodError, TimeoutError, OSError) as error:
            raise ProcessError(f"The pods of the sandbox in {home.root} could not all be removed: {error}") from error
        ledger = Ledger(home.ledger)
        ledger.close_leftovers()
        home.forget_daemon()
    return facts is not None


def running_daemon(home: Home) -> dict[str, Any] | None:
    """Return what the running daemon recorded about itself, or None; wait for one that is just starting.

    Raises:
        ProcessError: a daemon holds the lock, but never reports that it serves.
    """
    until = time.monotonic() + _READY_TIMEOUT
    while home.locked("daemon"):
        facts = home.daemon()
        if facts is not None:
            return facts
        if time.monotonic() > until:
            raise ProcessError(f"A sandbox is starting in {home.root}, but does not get ready; see {home.log}.")
        time.sleep(_POLL_INTERVAL)
    return None


def _spawn(home: Home, settings: Settings) -> None:
    """Start the daemon in its own session, and wait until it reports that it serves, or why it cannot."""
    command = [sys.executable, "-m", "podyard_sandbox", "--home", str(home.root), "up", "--foreground"]
    command += ["--pace", settings.pace, "--balance", str(settings.balance), "--seed", str(settings.seed)]
    if settings.wheels is not None:
        command += ["--wheels", str(settings.wheels)]
    if settings.traffic is not None:
        command += ["--traffic", str(settings.traffic)]
    if settings.vast_limits is not None:
        command += ["--vast-limits", str(settings.vast_limits)]
    if settings.bad_hosts:
        command += ["--bad-hosts", str(settings.bad_hosts)]
    if settings.many_pods:
        command += ["--many-pods", str(settings.many_pods)]
    reading, writing = os.pipe()
    log = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [*command, "--ready-fd", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            pass_fds=(writing,),
        )
    finally:
        os.close(writing)
        os.close(log)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        if not select.select([pipe], [], [], _READY_TIMEOUT)[0]:
            process.kill()
            raise ProcessError(f"The sandbox did not come up within {_READY_TIMEOUT:.0f} s; {home.log} says why.")
        said = pipe.readline()
    if not said:
        raise ProcessError(f"The sandbox ended before it served (exit code {process.wait()}); {home.log} says why.")
    if "error" in (message := json.loads(said)):
        process.wait()
        raise ProcessError(message["error"])


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # The daemon must find the same packages as this program.
    places = [str(Path(__file__).resolve().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(places)}


def _end(home: Home, pid: int) -> None:
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return
    until = time.monotonic() + _DOWN_TIMEOUT
    # The lock is released a moment before the process is gone, and a caller may check either.
    while home.locked("daemon") or not _has_ended(process):
        if time.monotonic() > until:
            process.kill()
            process.wait(_DOWN_TIMEOUT)
            return
        time.sleep(_POLL_INTERVAL)


def _has_ended(process: psutil.Process) -> bool:
    """Return whether the process is gone, or is a zombie."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def status(home: Home) -> dict[str, Any]:
    """Return the full status: from the daemon, or from the ledger when none runs.

    Raises:
        ProcessError: the daemon does not answer.
    """
    facts = running_daemon(home)
    if facts is not None:
        try:
            return Client(facts["url"], home.api_key()).status()
        except ControlError as error:
            raise ProcessError(str(error)) from error
    ledger = Ledger(home.ledger)
    return {
        "url": None,
        "pid": None,
        "started_at": None,
        "pod_network": None,
        "pace": None,
        "balance_usd": None,
        "vast_credit_usd": None,
        "many_pods": 0,
        "vast_limits": None,
        "pods": ledger.pods(),
        "requests": ledger.requests(),
        "faults": [],
    }
