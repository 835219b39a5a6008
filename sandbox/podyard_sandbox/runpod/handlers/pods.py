# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on pods, the account's SSH keys and GraphQL, once a request has been admitted."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault
from podyard_sandbox.runpod import graphql
from podyard_sandbox.runpod.access import Access
from podyard_sandbox.runpod.bodies import CreatePod, PodAction, UpdatePod, UpdateSshKeys
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.logs import stream
from podyard_sandbox.runpod.paging import page
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.rent import rent
from podyard_sandbox.runpod.responses import json_response
from podyard_sandbox.runpod.rules import check_update
from podyard_sandbox.runpod.validation import parse, read_json
from podyard_sandbox.runpod.wire import example_json, older_json, pod_json


class PodHandlers:
    """The operations, by their names in the API's description."""

    def __init__(self, cloud: Cloud, access: Access) -> None:
        self._cloud = cloud
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: method, path and operation."""
        return [
            web.get("/v2/pods", self.list_pods, name="listPods", allow_head=False),
            web.post("/v2/pods", self.create_pod, name="createPod"),
            web.get("/v2/pods/{id}", self.get_pod, name="getPod", allow_head=False),
            web.patch("/v2/pods/{id}", self.update_pod, name="updatePod"),
            web.delete("/v2/pods/{id}", self.delete_pod, name="deletePod"),
            web.post("/v2/pods/{id}/action", self.pod_action, name="podAction"),
            web.get("/v2/pods/{id}/logs", self.get_pod_logs, name="getPodLogs", allow_head=False),
            web.get("/v2/account/ssh-keys", self.get_ssh_keys, name="getSshKeys", allow_head=False),
            web.put("/v2/account/ssh-keys", self.update_ssh_keys, name="updateSshKeys"),
            web.post("/graphql", self.graphql, name="graphql"),
        ]

    # Pods

    async def list_pods(self, request: web.Request) -> web.Response:
        """List the pods, or a page of them."""
        pods, rest = page(request.query, self._cloud.faults, "pods", await self._cloud.read_all())
        return json_response({"pods": self._shown(pods), **rest})

    async def create_pod(self, request: web.Request) -> web.Response:
        """Rent a pod."""
        faults = self._cloud.faults
        raw = await read_json(request)
        name = str(raw.get("name", "")) if isinstance(raw, dict) else ""
        current().name = name
        older = faults.trigger("older-service") is not None
        body = parse(
            CreatePod,
            raw,
            older=older,
            doubtful=faults.trigger("data-center-priority") is not None,
            blame_valid=faults.trigger("blames-valid-fields") is not None,
        )
        pod = rent(self._cloud, body)
        return json_response(self._json(pod), status=201)

    async def get_pod(self, request: web.Request) -> web.Response:
        """Get a pod."""
        pod = await self._cloud.read(request.match_info["id"])
        return json_response(self._shown([pod])[0])

    async def update_pod(self, request: web.Request) -> web.Response:
        """Change a pod."""
        pod = self._find(request)
        raw = await read_json(request)
        body = parse(UpdatePod, raw, older=self._cloud.faults.trigger("older-service") is not None)
        body = self._cloud.update_with_template(body)
        check_update(pod.config, body)
        self._cloud.check_references(body)
        await self._cloud.change(pod, body)
        current().name = pod.config.name
        return json_response(self._json(pod))

    async def delete_pod(self, request: web.Request) -> web.Response:
        """Terminate a pod."""
        return await self._terminate(self._find(request))

    async def pod_action(self, request: web.Request) -> web.Response:
        """Start, stop, restart or terminate a pod."""
        pod = self._find(request)
        body = parse(PodAction, await read_json(request))
        if body.action == "terminate":
            return await self._terminate(pod)
        await self._cloud.act(pod, body.action)
        return json_response(self._json(pod))

    async def get_pod_logs(self, request: web.Request) -> web.StreamResponse:
        """Stream a pod's logs for as long as the client stays connected."""
        pod = await self._cloud.read(request.match_info["id"])
        logs = {source: self._cloud.runtime.log(pod.id, source) for source in ("container", "system")}
        return await stream(request, logs, {**self._access.headers(request), "x-request-id": current().id})

    # Account

    async def get_ssh_keys(self, request: web.Request) -> web.Response:
        """Get the account's SSH keys."""
        return json_response({"keys": self._cloud.account.ssh_keys})

    async def update_ssh_keys(self, request: web.Request) -> web.Response:
        """Replace all of the account's SSH keys."""
        body = parse(UpdateSshKeys, await read_json(request))
        self._cloud.account.ssh_keys = list(body.keys)
        return json_response({"keys": self._cloud.account.ssh_keys})

    async def graphql(self, request: web.Request) -> web.Response:
        """Answer a GraphQL request."""
        if (fault := self._note_fault(self._cloud.faults.trigger("graphql-gone"))) is not None:
            return graphql.gone(fault)
        status, document = await graphql.answer(self._cloud, await read_json(request))
        return json_response(document, status=status)

    # Helpers

    def _find(self, request: web.Request) -> Pod:
        current().pod_id = request.match_info["id"]
        pod = self._cloud.find(request.match_info["id"])
        current().name = pod.config.name
        return pod

    async def _terminate(self, pod: Pod) -> web.Response:
        shown = self._json(pod)
        self._note_fault(await self._cloud.terminate(pod, shown))
        return web.Response(status=204)

    def _note_fault(self, fault: Fault | None) -> Fault | None:
        """Record which fault hit this request."""
        if fault is not None:
            current().fault = fault.kind.name
        return fault

    def _json(self, pod: Pod) -> dict[str, Any]:
        shown = pod_json(pod, self._cloud.runtime)
        if self._cloud.faults.peek("older-service") is not None:
            shown = older_json(shown)
        if self._cloud.faults.trigger("env-withheld", name=pod.id_and_name):
            shown = {**shown, "env": {}}
        if pod.status == "PROVISIONING" and self._cloud.faults.trigger("as-in-example", name=pod.id_and_name):
            return example_json(shown, pod)
        return shown

    def _shown(self, pods: list[Pod]) -> list[dict[str, Any]]:
        """Return pods as a read shows them; each read counts towards the end of a stale port."""
        shown = [self._json(pod) for pod in pods]
        for pod in pods:
            if pod.ssh_port() is not None:
                pod.stale_reads = max(0, pod.stale_reads - 1)
        return shown
