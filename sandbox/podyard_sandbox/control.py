# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's own API, under ``/_sandbox/``: status, faults, settings, and the page of wheels.

Everything but the wheels requires the account's key as a bearer token, which keeps other users of the machine out.
"""

from __future__ import annotations

import hmac
import html
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from podyard_sandbox import strict_json
from podyard_sandbox.faults import KINDS, FaultError, Faults, bad_hosts
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.pace import PACES
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.traffic import Traffic
from podyard_sandbox.vastai.cloud import VastCloud

_FAULT_FORMAT = 'Give a fault as {"name": "...", "params": {}, "times": null, "share": null}.'


class Control:
    """The control API, for people and tests."""

    def __init__(
        self,
        cloud: Cloud,
        faults: Faults,
        ledger: Ledger,
        api_key: str,
        facts: Callable[[], dict],
        traffic: Traffic,
        vast: VastCloud,
    ) -> None:
        self._cloud = cloud
        self._faults = faults
        self._ledger = ledger
        self._key = api_key
        self._facts = facts
        self._traffic = traffic
        self._vast = vast
        self._wheels: Path | None = None

    def install(self, app: web.Application) -> None:
        """Add the control API to an application."""
        app.add_routes(
            [
                web.get("/_sandbox/status", self.status),
                web.get("/_sandbox/faults", self.list_faults),
                web.post("/_sandbox/faults", self.add_fault),
                web.delete("/_sandbox/faults", self.clear_faults),
                web.delete("/_sandbox/faults/{name}", self.clear_faults),
                web.patch("/_sandbox/settings", self.change_settings),
                web.get("/_sandbox/wheels/", self.list_wheels),
                web.get("/_sandbox/wheels/{name}", self.get_wheel),
            ]
        )

    def serve_wheels(self, directory: Path | None, base_url: str) -> None:
        """Serve a directory of wheels to the pods that start from now on; None stops serving."""
        self._wheels = directory
        page = f"{base_url}/_sandbox/wheels/" if directory is not None else None
        self._cloud.serve_wheels_at(page)
        self._vast.serve_wheels_at(page)

    async def status(self, request: web.Request) -> web.Response:
        """Answer with everything there is: settings, pods, requests and faults."""
        self._authenticate(request)
        return web.json_response(
            {
                **self._facts(),
                "pace": self._cloud.pace.name,
                "balance_usd": self._cloud.balance(),
                "vast_credit_usd": self._vast.credit(),
                "many_pods": sum(pod.is_fake for pod in self._cloud),
                "vast_limits": self._vast.scale,
                "pods": self._ledger.pods(),
                "requests": self._ledger.requests(),
                "faults": self._faults.to_json(),
            }
        )

    async def list_faults(self, request: web.Request) -> web.Response:
        """Answer with the faults that are switched on."""
        self._authenticate(request)
        return web.json_response({"faults": self._faults.to_json(), "kinds": sorted(KINDS)})

    async def add_fault(self, request: web.Request) -> web.Response:
        """Switch a fault on: ``{"name", "params": {}, "times", "share"}``."""
        self._authenticate(request)
        try:
            body = strict_json.loads(await request.read())
            times, share = body.get("times"), body.get("share")
            fault = self._faults.add(
                str(body.get("name", "")),
                {str(name): str(value) for name, value in (body.get("params") or {}).items()},
                times=None if times is None else int(times),
                share=None if share is None else float(share),
            )
        except FaultError as error:
            return web.json_response({"error": str(error)}, status=422)
        except (AttributeError, TypeError, ValueError):
            return web.json_response({"error": _FAULT_FORMAT}, status=422)
        if fault.kind.name == "host-lost" and fault.params["pod"] != "*":
            self._cloud.lose_host(fault)
        self._vast.fault_added(fault)
        return web.json_response(fault.to_json(), status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch off one kind of fault, or all."""
        self._authenticate(request)
        try:
            cleared = self._faults.clear(request.match_info.get("name"))
        except FaultError as error:
            return web.json_response({"error": str(error)}, status=422)
        return web.json_response({"cleared": cleared})

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change the running sandbox by an object of settings.

        These are ``{"pace", "balance", "vast_limits", "many_pods", "bad_hosts", "seed", "wheels", "traffic"}``, the
        last two directories, the seed that of the bad hosts.
        """
        self._authenticate(request)
        try:
            self._change(strict_json.loads(await request.read()))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            return web.json_response({"error": f"These settings are invalid: {error!r}."}, status=422)
        return web.json_response({"pace": self._cloud.pace.name, "balance_usd": self._cloud.balance()})

    def _change(self, body: dict[str, Any]) -> None:
        if "pace" in body:
            self._cloud.pace = self._vast.pace = PACES[body["pace"]]
        if "balance" in body:
            usd = _amount(body["balance"])
            self._cloud.set_balance(usd)
            self._vast.set_credit(usd)
        if "vast_limits" in body:
            self._vast.limits = _amount(body["vast_limits"])
        if "bad_hosts" in body:
            bad_hosts.set_bad_hosts(self._faults, _amount(body["bad_hosts"]), int(body.get("seed", self._cloud.seed)))
        if "many_pods" in body:
            self._cloud.set_fake_pods(int(body["many_pods"]))
        if "wheels" in body:
            self.serve_wheels(Path(body["wheels"]), self._facts()["url"])
        if "traffic" in body:
            self._traffic.record_to(Path(body["traffic"]))

    async def list_wheels(self, request: web.Request) -> web.Response:
        """Answer with the page of links that pip reads."""
        names = sorted(path.name for path in self._wheels.iterdir() if path.is_file()) if self._wheels else []
        links = "".join(f'<a href="{html.escape(name)}">{html.escape(name)}</a><br>\n' for name in names)
        return web.Response(text=f"<!DOCTYPE html><html><body>\n{links}</body></html>\n", content_type="text/html")

    async def get_wheel(self, request: web.Request) -> web.StreamResponse:
        """Answer with one wheel."""
        name = request.match_info["name"]
        if self._wheels is None or name in (".", "..") or "/" in name or not (self._wheels / name).is_file():
            raise web.HTTPNotFound
        return web.FileResponse(self._wheels / name)

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise web.HTTPUnauthorized(text="send the account's key as a bearer token\n")


def _amount(value: Any) -> float:
    """Read a finite, non-negative number: anything else would spoil every sum that it enters."""
    found = float(value)
    if not 0 <= found < math.inf:
        raise ValueError(f"{value} is not a finite amount of 0 or more")
    return found
