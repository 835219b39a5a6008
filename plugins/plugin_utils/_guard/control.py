# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the guard: start it, and release it."""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...module_utils._core.units import duration
from ...module_utils._pods.fence import is_coming, is_raised
from ...module_utils._pods.terminate import GRACE
from .._common.files import now
from .._common.pod_lists import environment
from .._record.guard_state import (
    ARMED,
    FAILED,
    GAVE_BACK,
    GIVING_BACK,
    LIBRARY_PROBLEM,
    READY,
    RELEASED,
    GuardFile,
    GuardState,
    ProcessIdentity,
    identity,
    lives,
    same,
)
from .._record.record import RunError
from .._record.run_file import RunFile
from . import main
from .guard import GuardOrders

# Starting Python takes a second; reaching the API may mean waiting out a full minute of its rate limit, twice at most.
START_TIMEOUT = 150.0
# The guard looks every half second; a machine that swaps may need much longer than that to let it.
END_TIMEOUT = 30.0
# Seconds between two tries to put another guard in the place of a dead one.
TENDING_PAUSE = 60.0
# What a process needs to find its libraries, the way to the API and a home; no key is among it.
ENVIRONMENT = (
    "PATH", "HOME", "USER", "SSH_AUTH_SOCK", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    # Where the requests of all this user's processes are counted.
    "PODYARD_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


class GuardError(Exception):
    """The guard does not stand, or cannot be released; the text is a sentence for people.

    `unwritable`: only the run's directory stands in the way, a full disk for instance.
    """

    def __init__(self, message: str, *, unwritable: bool = False) -> None:
        super().__init__(message)
        self.unwritable = unwritable


def controller() -> ProcessIdentity:
    """Return the identity of the ansible-playbook that this action runs for.

    :raises GuardError: when it cannot be found out.
    """
    if LIBRARY_PROBLEM is not None:
        raise GuardError(
            f"The guard needs the Python library psutil ({LIBRARY_PROBLEM}); nothing was rented. "
            f"Install it with: {sys.executable} -m pip install psutil"
        )
    # An action runs in a worker, a child of ansible-playbook. The parent at the child's birth is asked for: an
    # orphan's present parent would be init, which never ends.
    parent = multiprocessing.parent_process()
    try:
        return identity(parent.pid if parent and parent.pid else os.getppid())
    except ProcessLookupError as error:
        raise GuardError(f"The controller has ended already ({error}); nothing was rented.") from error


def arm(orders: GuardOrders) -> tuple[GuardState | None, bool]:
    """Start the guard unless it watches this controller already; return guard.json and whether it was started.

    Raises GuardError when it does not stand: then nothing may be rented.
    """
    file = GuardFile(orders.run_dir)
    try:
        # Another task of this run may be starting it just now.
        with file.deciding(patience=START_TIMEOUT + END_TIMEOUT):
            state = file.read()
            _refuse(state, orders)
            if state is not None and state.state == ARMED and lives(state):
                return state, False
            _start(orders, file)
            return file.read(), True
    except OSError as error:
        raise GuardError(
            f"The guard of run {orders.run_id} cannot be started in {orders.run_dir}: {error}. Nothing was rented.",
            unwritable=True,
        ) from error


def replace_dead(run_dir: Path) -> str | None:
    """Arm another guard for this controller where its own one has died; a sentence when that was done, else None.

    A guard can be killed, by a person or by a machine that is short of memory. Raises GuardError when there is none now
    and none can be armed: only the pod's lease and this program's own last plays end the pod then.
    """
    state = GuardFile(run_dir).read()
    if state is None or state.state != ARMED or state.host != socket.gethostname() or lives(state):
        return None
    if is_coming(run_dir) or not same(state.controller, own := controller()):
        return None
    lost = f"The guard of run {state.run_id} (process {state.pid}) has died"
    if state.own_key:
        raise GuardError(
            f"{lost}, and no other one can be armed, since its key came from an option; call podyard.gpu.guard again."
        )
    if state.project is None or state.run_id is None or state.providers is None:
        raise GuardError(f"{lost}, and no other one stands: guard.json does not tell whose pods it would watch over.")
    try:
        orders = GuardOrders(
            run_dir=run_dir,
            project=state.project,
            run_id=state.run_id,
            providers=tuple(state.providers),
            controller=own,
            grace=float(GRACE if state.grace is None else state.grace),
            environ=environment(state.env_file),
        )
        other = arm(orders)[0]
    except GuardError as error:
        raise GuardError(f"{lost}, and no other one stands: {error}") from error
    return f"{lost}; another one (process {other.pid if other else None}) watches over the run now."


class Tending:
    """Keep a guard alive that belongs to a controller: start one that died, and warn once of each trouble."""

    def __init__(
        self,
        run_dir: Path,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_dir, self._say, self._warn, self._clock = run_dir, say, warn, clock
        self._next, self._told = float("-inf"), ""

    def __call__(self) -> None:
        if self._clock() < self._next:
            return
        try:
            said = replace_dead(self._run_dir)
        except GuardError as error:
            # A guard is begun by asking every provider, so not with each look.
            self._next = self._clock() + TENDING_PAUSE
            if str(error) != self._told:
                self._warn(str(error))
            self._told = str(error)
        else:
            if said is not None:
                self._say(said)


def _refuse(state: GuardState | None, orders: GuardOrders) -> None:
    """Refuse to arm for a run that was given back, or that another controller works on."""
    if is_raised(orders.run_dir) or (state is not None and state.state in (GIVING_BACK, GAVE_BACK, FAILED)):
        raise GuardError(
            f"Run {orders.run_id} was given back by its guard (see {orders.run_dir / 'guard.log'}); it rents "
            "nothing more. Begin a new run: leave train_run_id out, or choose another one."
        )
    if state is None or state.state != ARMED:
        return
    if lives(state) and not same(state.controller, orders.controller):
        other = state.controller.pid if state.controller is not None else "of unknown number"
        raise GuardError(
            f"Run {orders.run_id} is guarded for another ansible-playbook (process {other}); "
            "nothing was rented. Wait until that one has ended, or choose another train_run_id."
        )


def _start(orders: GuardOrders, file: GuardFile) -> None:
    """Start the process, give it its orders through a pipe, and wait for its word."""
    log = os.open(file.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        guard = subprocess.Popen(
            # -P: the folder of the file must not shadow modules of the standard library.
            [sys.executable, "-P", str(Path(main.__file__).absolute()), str(orders.run_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        answer = _hand_over(guard, orders)
    except BaseException:
        guard.kill()
        guard.wait()
        raise
    if answer != READY:
        guard.kill()
        code = guard.wait()
        reason = answer or f"it ended with exit code {code}, see {file.log}"
        raise GuardError(f"The guard of run {orders.run_id} does not stand, so nothing was rented: {reason}")


def _hand_over(guard: subprocess.Popen[bytes], orders: GuardOrders) -> str:
    """Write the orders to the guard and return what it answers, a line; an empty one when it ended without a word."""
    if guard.stdin is None or guard.stdout is None:
        raise OSError("no pipe to the guard")
    with guard.stdout as answers:
        try:
            with guard.stdin as pipe:
                pipe.write(orders.dump().encode())
        except BrokenPipeError:
            # It ended before it read; its log says why, its answer (below) is empty.
            pass
        if not select.select([answers], [], [], START_TIMEOUT)[0]:
            raise OSError(f"no word from the guard within {duration(START_TIMEOUT)}")
        return answers.read().decode(errors="replace").strip()


def release(run_dir: Path, *, write: bool = True) -> tuple[GuardState | None, bool]:
    """Let the guard end without touching a pod; return guard.json's content and whether it was released by this call.

    Allowed only when every pod of the record is proved gone, or the outcome says that the pod stays. Raises GuardError.
    """
    file = GuardFile(run_dir)
    state = file.read()
    if state is None or state.state != ARMED:
        return state, False
    _refuse_release(run_dir)
    if not write:
        return state, True
    try:
        with file.deciding():
            state = file.read()
            if state is None or state.state != ARMED:
                return state, False
            state.state, state.ended_at = RELEASED, now()
            file.write(state)
    except OSError as error:
        raise GuardError(
            f"The guard of {run_dir} cannot be released, since guard.json cannot be written: {error}.",
            unwritable=True,
        ) from error
    end = time.monotonic() + END_TIMEOUT
    while lives(state):
        if time.monotonic() > end:
            # It has read its release or will: that is decided in the file, and nothing waits for the process.
            break
        time.sleep(0.05)  # a fraction of the guard's own pace of looking
    return state, True


def _refuse_release(run_dir: Path) -> None:
    try:
        run, _changed = RunFile(run_dir).apply(write=False)
    except RunError as error:
        raise GuardError(f"The guard stays on watch: {error}") from error
    if run.outcome in ("kept", "detached"):
        return
    living = [pod.label for pod in run.unproved_pods]
    if living:
        raise GuardError(
            f"The guard stays on watch, for the record {run_dir / 'run.json'} does not prove that these pods are gone: "
            f"{', '.join(living)}. Give them back with podyard.gpu.pod_termination first."
        )
