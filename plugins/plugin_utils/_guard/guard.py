# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: a detached process that gives a run's pods back when its controller ends without having done so.

Why a process of its own: Ansible runs neither rescue nor always on a signal, and the module processes of a killed
controller live on and can still send a create. The guard is in a session of its own, so that a signal to the
controller's group, session or terminal does not reach it, and it lets go only when it is released or when the pods are
proved gone. Its orders, and with them the API key, come over standard input and are nowhere else.
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

from ...module_utils._core.clock import PollInterval
from ...module_utils._core.errors import CloudError
from ...module_utils._core.names import prefix_of_run
from ...module_utils._core.values import to_json
from ...module_utils._pods.fence import PATIENCE as FENCE_PATIENCE
from ...module_utils._pods.fence import raise_fence
from ...module_utils._pods.ledger import Ledger
from ...module_utils._pods.progress import Progress
from ...module_utils._pods.terminate import end_known, give_back_run, named, of_others, require_gone
from ...module_utils._providers import registry
from ...module_utils._providers.base import Provider
from ...module_utils._providers.settings import FILES_VARIABLE
from .._common.files import now
from .._record.guard_state import (
    ARMED,
    FAILED,
    GAVE_BACK,
    GIVING_BACK,
    READY,
    RELEASED,
    GuardFile,
    GuardState,
    ProcessIdentity,
    Watched,
    end_all,
    identity,
)
from .._record.record import RunError
from .._record.run_file import RunFile
from .renewal import Renewal


@dataclass(frozen=True)
class Pace:
    """How often the guard looks, and how long it goes on; all in seconds.

    `look`: between two looks for a release; half a second keeps the end of a run short and costs nothing.
    `poll`: between two looks at a pod that is ending; None is the polite pace of the library.
    `first`, `most`: the pause after the first failed try, doubled up to the most: the API's quota counts by the minute.
    `grace`: for a process of the controller's to end by itself; the pods, which cost money, wait for it meanwhile.
    `fence`: for a create in flight, after which the run's pods are looked for without it.
    `books`: between two tries to write the record when the pods are gone and only the disk is full.
    `patience`: three days, so that an outage or a lapsed key over a weekend is survived.
    """

    look: float = 0.5
    poll: float | None = None
    first: float = 1.0
    most: float = 60.0
    grace: float = 2.0
    fence: float = FENCE_PATIENCE
    books: float = 5.0
    patience: float = 72 * 3600.0


@dataclass(frozen=True)
class GuardOrders:
    """What the guard is told. `controller` names the process to watch; `environ` is where keys are looked for."""

    run_dir: Path
    project: str
    run_id: str
    providers: tuple[str, ...]
    controller: ProcessIdentity
    grace: float
    api_key: str | None = field(repr=False, default=None)
    api_url: str | None = None
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    pace: Pace = Pace()

    @classmethod
    def parse(cls, text: str) -> GuardOrders:
        """Orders from their JSON text (see `dump`)."""
        told = json.loads(text)
        told.update(run_dir=Path(told["run_dir"]), providers=tuple(told["providers"]), pace=Pace(**told["pace"]))
        told.update(controller=ProcessIdentity.from_json(told["controller"]))
        return cls(**told)

    def dump(self) -> str:
        """Return the orders as JSON text, key included: for a pipe, never for a file."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told.update(run_dir=str(self.run_dir), environ=dict(self.environ), pace=vars(self.pace))
        told.update(controller=self.controller.to_json())
        return to_json(told)


class Guard:
    """Watches one controller for one run. Every trouble with a file is logged and borne: the pods come first."""

    def __init__(self, orders: GuardOrders) -> None:
        self.orders = orders
        self.file = GuardFile(orders.run_dir)
        self.record = RunFile(orders.run_dir)
        self.providers: dict[str, Provider] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.left: list[Any] = []
        self.hopeless: set[str] = set()
        self.trouble = ""
        own = identity(os.getpid())
        self.state = GuardState(
            state=ARMED,
            pid=own.pid,
            create_time=own.create_time,
            # Numbers of processes mean something on this machine only.
            host=socket.gethostname(),
            controller=orders.controller,
            project=orders.project,
            run_id=orders.run_id,
            providers=list(orders.providers),
            # What whoever finds this guard dead needs to arm another one; no secret is among it.
            grace=orders.grace,
            env_file=orders.environ.get(FILES_VARIABLE),
            own_key=bool(orders.api_key or orders.api_url),
            armed_at=now(),
        )

    def stand(self) -> None:
        """Take up the watch, after proving that every provider can be reached with its key.

        Raises CloudError, OSError or ProcessLookupError; nothing may be rented then.
        """
        self.watched = Watched(self.orders.controller)
        for name in self.orders.providers:
            self.providers[name] = registry.connect(
                name, api_key=self.orders.api_key, api_url=self.orders.api_url, environ=self.orders.environ
            )
            self.providers[name].tell(self.log)
            self.providers[name].list_pods()
        if self._begins():
            # One that is missing later was lost, and then one empty list is no proof.
            Ledger(self.orders.run_dir).open()
        self.file.write(self.state)
        self.log(f"armed: watches process {self.orders.controller.pid} for run {self.orders.run_id}")

    def _begins(self) -> bool:
        """Whether nothing can have been rented for the run yet: then a ledger is begun, and else never."""
        try:
            record = self.record.read()
        except RunError:
            return False
        stages = [stage.name for stage in record.stages] if record is not None else []
        only_planned = (stages or ["plan"]) == ["plan"] and not (record is not None and record.pods)
        return only_planned and not self.file.path.exists()

    def keep_watch(self) -> bool:
        """Wait until the controller ends (True) or the guard is released (False)."""
        with contextlib.ExitStack() as stack:
            renewal = None
            try:
                renewal = Renewal(self.orders.run_dir, self.log)
                stack.callback(renewal.close)
            except OSError as error:
                self.log(f"the lease of the run's pod is not renewed by the guard: {error}")
            while not self.watched.ended_within(self.orders.pace.look):
                left = self.watched.descendants()
                self.left = self.left if left is None else left
                if self._is_released():
                    self.log("released: ends without touching a pod")
                    return False
                if renewal is not None and not self.watched.paused():
                    self._renew(renewal)
        return self._decide()

    def _is_released(self) -> bool:
        state = self.file.read()
        return state is not None and state.state == RELEASED

    def _renew(self, renewal: Renewal) -> None:
        """Whatever stands in connection.json, the watch goes on."""
        try:
            renewal.step()
        except Exception as error:  # noqa: BLE001 - a guard that dies of it would give nothing back
            trouble = f"the lease is not renewed: {type(error).__name__}: {error}"
            if trouble != self.trouble:
                self.log(trouble)
            self.trouble = trouble

    def _decide(self) -> bool:
        """Decide to give the pods back, since the controller has ended, unless a release came first."""
        try:
            with self.file.deciding():
                if self._is_released():
                    self.log("released just before the controller ended: ends without touching a pod")
                    return False
                self.state.state = GIVING_BACK
                self.file.write(self.state)
        except OSError as error:
            self.log(f"guard.json cannot be written ({error}); the pods are given back all the same")
        self.log(f"process {self.orders.controller.pid} has ended without a release: gives the run's pods back")
        return True

    def give_back(self) -> bool:
        """Raise the fence, give back and prove until it is done or the patience is over; write down how it ended."""
        stage = self.record.running_stage()
        self._fence_off()
        left = list(self.providers)
        end = time.monotonic() + self.orders.pace.patience
        pause = self.orders.pace.first
        while True:
            self.state.tries += 1
            left = [name for name in left if not self._try(name)]
            if not set(left) - self.hopeless or time.monotonic() > end:
                break
            self._write_state()
            # The spread keeps the guards of several runs from coming back to the API all at once.
            time.sleep(random.uniform(0.75, 1.25) * pause)
            pause = min(self.orders.pace.most, pause * 2)
        self._conclude(not left, stage, end)
        return not left

    def _fence_off(self) -> None:
        """Let nothing more be rented. What is known is ended before a create in flight is waited for."""
        run_dir = self.orders.run_dir
        free = False
        try:
            free = raise_fence(run_dir, patience=0.0)
            if not free:
                self.log("a pod is being ordered: what is known is ended first, then that is waited for")
                self._end_known()
                free = raise_fence(run_dir, self.orders.pace.fence)
        except (CloudError, OSError) as error:
            self.log(f"the fence cannot be raised: {error}")
        self._end_left()
        if not free:
            # What held it was perhaps ended just now.
            with contextlib.suppress(CloudError, OSError):
                free = raise_fence(run_dir, self.orders.pace.grace)
            self.log("the fence is up" if free else "a process that was ordering a pod is still running")

    def _end_known(self) -> None:
        for name, provider in self.providers.items():
            try:
                end_known(provider, self._prefix, ledger=Ledger(self.orders.run_dir), progress=_Log(self))
            except Exception as error:  # noqa: BLE001 - it is tried again, until it is proved
                self.log(f"what is known at {name} could not be ended yet: {error}")

    @property
    def _prefix(self) -> str:
        return prefix_of_run(self.orders.project, self.orders.run_id)

    def _end_left(self) -> None:
        """End what the controller left running: its transfers, waits and follow-ups serve no purpose now."""
        ended = end_all(self.left, self.orders.pace.grace)
        if ended:
            self.log(f"ended what the controller had left running: {', '.join(map(str, sorted(ended)))}")

    def _try(self, name: str) -> bool:
        """Give back what one provider has of the run; False when something is not proved gone: try again."""
        if name in self.hopeless:
            return False
        ledger = Ledger(self.orders.run_dir)
        try:
            results = give_back_run(
                self.providers[name],
                self._prefix,
                grace=self.orders.grace,
                ledger=ledger,
                polls=PollInterval(interval=self.orders.pace.poll),
                progress=_Log(self),
            )
            self.gone.update({pod["id"]: pod for pod in results if pod["gone_proved"]})
            if of_others(self.providers[name], results, ledger):
                # A guard gets no other key, so trying again would not help.
                self.hopeless.add(name)
            require_gone(self.providers[name], results)
            return True
        except CloudError as error:
            self.state.error = named(error, name, self._prefix, ledger).message
        except Exception as error:  # noqa: BLE001 - a pod must not live on because of a mistake in this program
            self.state.error = f"{type(error).__name__}: {error}"
        self.log(f"try {self.state.tries} on {name} failed: {self.state.error}")
        return False

    def _conclude(self, done: bool, stage: str | None, end_at: float) -> None:
        pods = list(self.gone.values())
        begun = f"The controller (process {self.orders.controller.pid}) ended before the run did"
        begun += f", at stage {stage}" if stage else ""
        named = ", ".join(f"{pod['name']} ({pod['id']} on {pod['provider']})" for pod in pods)
        if not done:
            end = (
                f"the guard gave up after {self.state.tries} tries, and pods of this run may still cost money: "
                f"{self.state.error}"
            )
        elif named:
            end = f"the guard gave back {named}, proved gone."
        else:
            end = "no pod of this run was left to give back."
        self.log(end)
        if done:
            # It leads to a pod that is gone; another one may soon have its address.
            with contextlib.suppress(OSError):
                (self.orders.run_dir / "connection.json").unlink()
        self.state.state, self.state.ended_at, self.state.pods = GAVE_BACK if done else FAILED, now(), pods
        self.state.error = None if done else self.state.error
        self._correct("stopped" if done else "failed", f"{begun}; {end}", pods, end_at if done else 0.0)
        # Last, so that who waits for this state finds the record complete.
        self._write_state()

    def _correct(self, outcome: str, error: str, pods: list[dict[str, Any]], end: float) -> None:
        """Write to the record what is true now. The pods are gone, so there is time until a full disk has room."""
        told = False
        while True:
            try:
                self.record.close(outcome, error, pods)
                return
            except RunError as trouble:
                if not told:
                    self.log(f"{trouble}")
                    told = True
                if time.monotonic() > end:
                    return
            except Exception as error:  # noqa: BLE001 - the pods are gone, and guard.json is still to say so
                self.log(f"the record could not be corrected: {type(error).__name__}: {error}")
                return
            time.sleep(self.orders.pace.books)

    def _write_state(self) -> None:
        try:
            with self.file.deciding():
                self.file.write(self.state)
        except OSError as error:
            self.log(f"guard.json cannot be written: {error}")

    def log(self, text: str) -> None:
        """Add a line to guard.log; without a run directory there is no log."""
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
        guard = Guard(GuardOrders.parse(sys.stdin.read()))
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
