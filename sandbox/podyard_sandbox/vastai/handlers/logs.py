# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs and commands, whose results clients fetch from a separate store, without a key."""

from __future__ import annotations

import secrets
import shlex
from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import begin
from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, answer, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.instance import Instance

_COMMANDS = ("ls", "rm", "du")
_MAX_COMMAND = 512
_MAX_LINES = 1000


class LogHandlers:
    """The operations on an instance's logs, and the few commands that a stopped one accepts."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults
        self._results: dict[str, str] = {}
        self._early: dict[str, tuple[int, int]] = {}

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {"requestLogs": self.request_logs, "executeCommand": self.execute}

    async def request_logs(self, request: web.Request) -> web.Response:
        """Store a log where the client can fetch it."""
        body = await bodies.read(request)
        instance = self._find(request)
        if instance is None:
            raise ApiError(404, {"error": "invalid_id", "msg": "Invalid instance id."})
        tail = _MAX_LINES if body.get("tail") in (None, "") else bodies.number(body["tail"])
        if tail < 0:
            raise bodies.invalid("tail is below 0")
        daemon = str(body.get("daemon_logs", "")).lower() == "true"
        lines = self._lines(instance, daemon)
        if wanted := body.get("filter"):
            lines = [line for line in lines if str(wanted) in line]
        return answer({"success": True, "result_url": self._keep(request, lines[-tail:] if tail else lines), "msg": ""})

    def _lines(self, instance: Instance, daemon: bool) -> list[str]:
        if not daemon and not instance.has_container:
            return [f"Error response from daemon: No such container: C.{instance.id}"]
        log = self._cloud.runtime.log(instance.pod_id, "system" if daemon else "container")
        return [line.text for line in log.lines()]

    async def execute(self, request: web.Request) -> web.Response:
        """List or free the disk of a stopped instance."""
        body = await bodies.read(request, 483)
        instance = self._find(request)
        if instance is None:
            raise refusal(400, "invalid_container_id", "Invalid container id.")
        command = body.get("command")
        try:
            words = shlex.split(command) if isinstance(command, str) else []
        except ValueError:
            words = []
        if not words or words[0] not in _COMMANDS or len(str(command)) > _MAX_COMMAND:
            raise refusal(400, "invalid_args", "Invalid command given.")
        if instance.cur != "stopped":
            text = "Execute command only avail on stopped instances, use ssh to connect to running instances."
            raise refusal(400, "invalid_container", text)
        url = self._keep(request, [f"{words[0]}: done"])
        text = "Command is executing, wait a few seconds and then view the result_url"
        return answer({"success": True, "writeable_path": "/workspace", "result_url": url, "msg": text})

    async def result(self, request: web.Request) -> web.Response:
        """Answer with a result to anyone who knows its URL; the store refuses requests with the API's key."""
        begin()
        if "Authorization" in request.headers:
            return web.Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>", content_type="text/xml")
        token = request.match_info["token"]
        polls, status = self._early.get(token, (0, 404))
        if polls > 0:
            self._early[token] = (polls - 1, status)
            return web.Response(status=status, text="<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        if token not in self._results:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        return web.Response(text=self._results[token], content_type="text/plain")

    def _keep(self, request: web.Request, lines: list[str]) -> str:
        token = f"{secrets.token_hex(16)}.log"
        self._results[token] = "".join(f"{line}\n" for line in lines)
        if (fault := trigger(self._faults, "vast-logs-late")) is not None:
            self._early[token] = (fault.params["polls"], fault.params["status"])
        return f"http://{request.host}/vastai/results/{token}"

    def _find(self, request: web.Request) -> Instance | None:
        number = bodies.identifier(request.match_info["id"])
        return self._cloud.shown(number) if number is not None else None
