# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The read-only operations: catalogue and billing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.runpod import billing, catalogue, catalogue_cpus
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.responses import json_response

_LIST, _ONE = "/v2/catalog/{}", "/v2/catalog/{}/{{id}}"


class CatalogueHandlers:
    """The operations, by their names in the API's description."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: method, path and operation."""
        return [
            self._list("gpus", "listGpuTypes", catalogue.list_gpus),
            self._one("gpus", "getGpuType", catalogue.get_gpu),
            self._list("cpus", "listCpuTypes", catalogue_cpus.list_cpus),
            self._one("cpus", "getCpuType", catalogue_cpus.get_cpu),
            self._list("datacenters", "listDataCenters", catalogue.list_data_centers),
            self._one("datacenters", "getDataCenter", catalogue.get_data_center),
            web.get("/v2/billing", self.list_billing, name="listBilling", allow_head=False),
            web.get("/v2/billing/pods", self.list_pod_billing, name="listPodBilling", allow_head=False),
            web.get(
                "/v2/billing/network-volumes",
                self.list_volume_billing,
                name="listNetworkVolumeBilling",
                allow_head=False,
            ),
            self._nothing("serverless", "listServerlessBilling"),
            self._nothing("endpoints", "listEndpointBilling"),
            self._nothing("clusters", "listClusterBilling"),
        ]

    async def list_billing(self, request: web.Request) -> web.Response:
        """List all costs."""
        cloud = self._cloud
        found = billing.everything(cloud.pod_history, cloud.volumes.history, request.query, time.time())
        return json_response(found)

    async def list_pod_billing(self, request: web.Request) -> web.Response:
        """List the costs of pods."""
        return json_response(billing.pods(self._cloud.pod_history, request.query, time.time()))

    async def list_volume_billing(self, request: web.Request) -> web.Response:
        """List the costs of network volumes."""
        return json_response(billing.volumes(self._cloud.volumes.history, request.query, time.time()))

    def _nothing(self, family: str, name: str) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            return json_response(billing.empty(family, request.query, time.time()))

        return web.get(f"/v2/billing/{family}", answer, name=name, allow_head=False)

    def _list(self, kind: str, name: str, look: Callable[..., dict[str, Any]]) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            return self._shown(look(self._cloud, request.query))

        return web.get(_LIST.format(kind), answer, name=name, allow_head=False)

    def _one(self, kind: str, name: str, look: Callable[..., dict[str, Any]]) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            return self._shown(look(self._cloud, request.match_info["id"], request.query))

        return web.get(_ONE.format(kind), answer, name=name, allow_head=False)

    def _shown(self, found: dict[str, Any]) -> web.Response:
        fault = self._cloud.faults.trigger("title-case-enums")
        if fault is None:
            return json_response(found)
        current().fault = fault.kind.name
        return json_response(_title_case(found))


def _title_case(found: Any) -> Any:
    """Spell availability as High, Low and so on, as the older API does."""
    if isinstance(found, list):
        return [_title_case(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {name: value.title() if name == "availability" else _title_case(value) for name, value in found.items()}
