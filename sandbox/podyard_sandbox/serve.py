# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon: the server, from the first sweep to the last."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from podyard_sandbox.control import Control
from podyard_sandbox.faults import Faults, bad_hosts
from podyard_sandbox.home import Home
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.pace import PACES
from podyard_sandbox.pods import PodRuntime
from podyard_sandbox.runpod.app import RunpodApi
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.settings import AlreadyUp, Settings
from podyard_sandbox.timestamps import exact_time
from podyard_sandbox.traffic import Traffic
from podyard_sandbox.vastai.app import VastApi
from podyard_sandbox.vastai.cloud import VastCloud

# Seconds that a reader of an endless log has to disconnect when the sandbox goes down.
_SHUTDOWN_TIMEOUT = 1.0
# The server's own limit of a body, bytes; the API's limit is far below.
_BODY_LIMIT = 1_048_576
# Other commands hold the daemon's lock for an instant to see whether it runs; that must not stop a new one.
_LOCK_TRIES, _LOCK_PAUSE = 20, 0.05


class Server:
    """The sandbox in one process, on a free port of 127.0.0.1."""

    def __init__(self, home: Home, runtime: PodRuntime, settings: Settings) -> None:
        self._home = home
        self._runtime = runtime
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self.facts: dict[str, Any] = {"url": None, "pid": os.getpid(), "started_at": exact_time(time.time())}

    async def start(self) -> str:
        """Remove what a killed daemon left, then serve; return the URL.

        Raises:
            PodError: this machine cannot make pods.
        """
        self._home.create()
        await self._runtime.check()
        await self._runtime.sweep()
        self.facts["pod_network"] = self._runtime.network
        ledger, faults, key = Ledger(self._home.ledger), Faults(), self._home.api_key()
        ledger.close_leftovers()
        ledger.compact()
        self.faults = faults
        self.cloud = Cloud(self._runtime, faults, ledger, PACES[self._settings.pace], self._settings.balance)
        self.cloud.seed = self._settings.seed
        bad_hosts.set_bad_hosts(faults, self._settings.bad_hosts, self._settings.seed)
        self.cloud.set_fake_pods(self._settings.many_pods)
        self.app = app = web.Application(client_max_size=_BODY_LIMIT)
        RunpodApi(self.cloud, faults, ledger, key).install(app)
        self.vast = self._vast(faults, ledger, app)
        self._traffic = Traffic(self._settings.traffic)
        control = Control(self.cloud, faults, ledger, key, lambda: self.facts, self._traffic, self.vast)
        control.install(app)
        self._traffic.install(app)
        # The API refuses a compressed body as invalid JSON, in its own words.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.facts["url"] = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        control.serve_wheels(self._settings.wheels, self.facts["url"])
        self._tasks.append(asyncio.create_task(self.cloud.watch_balance()))
        self._tasks.append(asyncio.create_task(self.vast.watch()))
        return self.facts["url"]

    def _vast(self, faults: Faults, ledger: Ledger, app: web.Application) -> VastCloud:
        """Add Vast.ai at the same address; its paths and RunPod's do not overlap."""
        settings = self._settings
        cloud = VastCloud(self._runtime, faults, ledger, PACES[settings.pace], settings.balance, settings.seed)
        cloud.account.main_key.key = self._home.vast_api_key()
        cloud.limits = settings.vast_limits
        VastApi(cloud, faults, ledger).install(app)
        return cloud

    async def stop(self) -> None:
        """End every pod, finish the open requests, and remove everything the pods consisted of."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.cloud.close(), self.vast.close())
        await self._runner.cleanup()
        self._traffic.close()
        await self._runtime.sweep()


async def serve(home: Home, settings: Settings, ready: Callable[[str], None]) -> None:
    """Run the daemon until a signal stops it.

    Args:
        ready: called with the URL once requests are answered.

    Raises:
        AlreadyUp: another daemon serves this home.
        PodError: this machine cannot make pods.
    """
    with contextlib.ExitStack() as held:
        await _hold_lock(home, held)
        server = Server(home, PodRuntime(home.root), settings)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        home.forget_daemon()
        url = await server.start()
        home.write_daemon(server.facts)
        ready(url)
        await ended.wait()
        home.forget_daemon()  # later commands wait for the lock instead of asking a server that is shutting down
        await server.stop()


async def _hold_lock(home: Home, held: contextlib.ExitStack) -> None:
    for _try in range(_LOCK_TRIES):
        try:
            held.enter_context(home.lock("daemon", wait=False))
        except BlockingIOError:
            await asyncio.sleep(_LOCK_PAUSE)
        else:
            return
    raise AlreadyUp(f"A sandbox is already running in {home.root}.")
