# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: a detached process that gives a run's pods back when its controller ends without having done so.

Private to this collection. Why a process of its own: Ansible runs neither rescue nor always on a signal, and the module
processes of a killed controller live on and can still send a create. The guard is in a session of its own, so that a
signal to the controller's group, session or terminal does not reach it, and it lets go only when it is released or when
the pods are proved gone. Its orders, and with them the API key, come over standard input and are nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils import _providers
from ansible_collections.podyard.gpu.plugins.module_utils._errors import CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._fence import raise_fence
from ansible_collections.podyard.gpu.plugins.module_utils._ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._names import prefix_of_run
from ansible_collections.podyard.gpu.plugins.module_utils._progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._provider import Provider
from ansible_collections.podyard.gpu.plugins.module_utils._termination import give_back_run, require_gone
from ansible_collections.podyard.gpu.plugins.module_utils._wait import Polls
from ansible_collections.podyard.gpu.plugins.plugin_utils._files import now
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard_lease import Renewal
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard_state import (
    ARMED,
    FAILED,
    GAVE_BACK,
    GIVING_BACK,
    READY,
    RELEASED,
    GuardFile,
    Watched,
    end_all,
    identity,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._runs import RunError, RunRecord


@dataclass(frozen=True)
class Pace:
    """How often the guard looks, and how long it goes on; all in seconds.

    `look`: between two looks for a release; half a second keeps the end of a run short and costs nothing.
    `poll`: between two looks at a pod that is ending; None is the polite pace of the library.
    `first`, `most`: the pause after the first failed try, doubled up to the most: the API's quota counts by the minute.
    `grace`: for a process of the controller's to end by itself; the pods, which cost money, wait for it meanwhile.
    `patience`: three days, so that an outage or a lapsed key over a weekend is survived.
    """

    look: float = 0.5
    poll: float | None = None
    first: float = 1.0
    most: float = 60.0
    grace: float = 2.0
    patience: float = 72 * 3600.0


@dataclass(frozen=True)
class Orders:
    """What the guard is told. `controller` names the process to watch; `environ` is where keys are looked for."""

    run_dir: Path
    project: str
    run_id: str
    providers: tuple[str, ...]
    controller: dict[str, Any]
    grace: float
    api_key: str | None = field(repr=False, default=None)
    api_url: str | None = None
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    pace: Pace = Pace()

    @classmethod
    def parse(cls, text: str) -> Orders:
        """Orders from their JSON text (see `dump`)."""
        told = json.loads(text)
        told.update(run_dir=Path(told["run_dir"]), providers=tuple(told["providers"]), pace=Pace(**told["pace"]))
        return cls(**told)

    def dump(self) -> str:
        """The orders as JSON text, key included: for a pipe, never for a file."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told.update(run_dir=str(self.run_dir), environ=dict(self.environ), pace=vars(self.pace))
        return json.dumps(told)


class Guard:
    """Watches one controller for one run. Every trouble with a file is logged and borne: the pods come first."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.file = GuardFile(orders.run_dir)
        self.record = RunRecord(orders.run_dir)
        self.providers: dict[str, Provider] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.left: list[Any] = []
        self.state: dict[str, Any] = {
            "state": ARMED,
            **identity(os.getpid()),
            # Numbers of processes mean something on this machine only.
            "host": socket.gethostname(),
            "controller": orders.controller,
            "project": orders.project,
            "run_id": orders.run_id,
            "providers": list(orders.providers),
            "armed_at": now(),
            "ended_at": None,
            "tries": 0,
            "pods": [],
            "error": None,
        }

    def stand(self) -> None:
        """Take up the watch, after proving that every provider can be reached with its key.

        Raises CloudError, OSError or ProcessLookupError; nothing may be rented then.
        """
        self.watched = Watched(self.orders.controller)
        for name in self.orders.providers:
            self.providers[name] = _providers.connect(
                name, api_key=self.orders.api_key, api_url=self.orders.api_url, environ=self.orders.environ
            )
            self.providers[name].tell(self.log)
            self.providers[name].list()
        self.file.write(self.state)
        self.log(f"armed: watches process {self.orders.controller['pid']} for run {self.orders.run_id}")

    def keep_watch(self) -> bool:
        """Wait until the controller ends (True) or the guard is released (False)."""
        renewal = Renewal(self.orders.run_dir, self.log)
        try:
            while not self.watched.ended_within(self.orders.pace.look):
                left = self.watched.descendants()
                self.left = self.left if left is None else left
                if self.file.read().get("state") == RELEASED:
                    self.log("released: ends without touching a pod")
                    return False
                if not self.watched.paused():
                    renewal.step()
        finally:
            renewal.close()
        return self._decide()

    def _decide(self) -> bool:
        """The controller has ended: take the decision to give back, unless a release came first."""
        try:
            with self.file.deciding():
                if self.file.read().get("state") == RELEASED:
                    self.log("released just before the controller ended: ends without touching a pod")
                    return False
                self.state.update(state=GIVING_BACK)
                self.file.write(self.state)
        except OSError as error:
            self.log(f"guard.json cannot be written ({error}); the pods are given back all the same")
        self.log(f"process {self.orders.controller['pid']} has ended without a release: gives the run's pods back")
        return True

    def give_back(self) -> bool:
        """Raise the fence, give back and prove until it is done or the patience is over; write down how it ended."""
        stage = self.record.running_stage()
        try:
            raise_fence(self.orders.run_dir)
        except (CloudError, OSError) as error:
            self.log(f"the fence cannot be raised: {error}")
        self._end_left()
        left = list(self.providers)
        end = time.monotonic() + self.orders.pace.patience
        pause = self.orders.pace.first
        while True:
            self.state["tries"] += 1
            left = [name for name in left if not self._try(name)]
            if not left or time.monotonic() > end:
                break
            self._write_state()
            # The spread keeps the guards of several runs from coming back to the API all at once.
            time.sleep(random.uniform(0.75, 1.25) * pause)
            pause = min(self.orders.pace.most, pause * 2)
        self._conclude(not left, stage)
        return not left

    def _end_left(self) -> None:
        """End what the controller left running: nobody waits for its transfers, waits and follow-ups any more."""
        ended = end_all(self.left, self.orders.pace.grace)
        if ended:
            self.log(f"ended what the controller had left running: {', '.join(map(str, sorted(ended)))}")

    def _try(self, name: str) -> bool:
        """Give back what one provider has of the run; False when something is not proved gone: try again."""
        try:
            results = give_back_run(
                self.providers[name],
                prefix_of_run(self.orders.project, self.orders.run_id),
                grace=self.orders.grace,
                ledger=Ledger(self.orders.run_dir),
                polls=Polls(interval=self.orders.pace.poll),
                progress=_Log(self),
            )
            self.gone.update({pod["id"]: pod for pod in results if pod["gone_proved"]})
            require_gone(self.providers[name], results)
            return True
        except CloudError as error:
            self.state["error"] = str(error)
        except Exception as error:  # noqa: BLE001 - a pod must not live on because of a mistake in this program
            self.state["error"] = f"{type(error).__name__}: {error}"
        self.log(f"try {self.state['tries']} on {name} failed: {self.state['error']}")
        return False

    def _conclude(self, done: bool, stage: str | None) -> None:
        pods = list(self.gone.values())
        begun = f"The controller (process {self.orders.controller['pid']}) ended before the run did"
        begun += f", at stage {stage}" if stage else ""
        named = ", ".join(f"{pod['name']} ({pod['id']} on {pod['provider']})" for pod in pods)
        if not done:
            end = (
                f"the guard gave up after {self.state['tries']} tries, and pods of this run may still cost money: "
                f"{self.state['error']}"
            )
        elif named:
            end = f"the guard gave back {named}, proved gone."
        else:
            end = "no pod of this run was left to give back."
        self.log(end)
        if done:
            # It says how to reach a pod that is no more; another one may have its address soon.
            with contextlib.suppress(OSError):
                (self.orders.run_dir / "connection.json").unlink()
        self.state.update(
            state=GAVE_BACK if done else FAILED, ended_at=now(), pods=pods, error=None if done else self.state["error"]
        )
        try:
            self.record.close("stopped" if done else "failed", f"{begun}; {end}", pods)
        except RunError as error:
            self.log(str(error))
        # Last, so that who waits for this state finds the record complete.
        self._write_state()

    def _write_state(self) -> None:
        try:
            with self.file.deciding():
                self.file.write(self.state)
        except OSError as error:
            self.log(f"guard.json cannot be written: {error}")

    def log(self, text: str) -> None:
        """Add a line to guard.log; without a run directory there is nobody to read it."""
        try:
            descriptor = os.open(self.file.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
                stream.write(f"{now()} {text}\n")
        except OSError:
            return


class _Log(Progress):
    """Lets the library tell guard.log what it does."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    def say(self, line: str) -> None:
        self._last = self._clock.monotonic()
        self._guard.log(line)


def main() -> int:
    """Read the orders, answer READY or a sentence on standard output, then watch. Returns the exit code."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        # A machine that goes down sends SIGTERM to everything: the seconds until SIGKILL are for giving the pods back.
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    try:
        guard = Guard(Orders.parse(sys.stdin.read()))
        guard.stand()
    except (CloudError, OSError) as error:
        print(str(error), flush=True)
        return 1
    print(READY, flush=True)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    # A working directory is for finding the key; from here on it must not keep a file system busy.
    os.chdir("/")
    return 0 if not guard.keep_watch() or guard.give_back() else 1
