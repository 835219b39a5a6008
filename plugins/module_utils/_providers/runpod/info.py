# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of RunPod what the registry asks; the driver is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Mapping

from ..._resources.resource import AccountApi
from ..base import Capabilities, Provider, ProviderInfo
from . import config


def _connect(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> Provider:
    # Imported late: a task that talks to one provider should not load the drivers of the others.
    from .provider import RunPod

    return RunPod(config.find_key(api_key, environ), config.find_url(api_url, environ, api_key))


def _account_api(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> AccountApi:
    from .account import RunPodAccount

    return RunPodAccount(config.find_key(api_key, environ), config.find_url(api_url, environ, api_key))


def _capabilities() -> Capabilities:
    from .provider import RunPod

    return RunPod.capabilities


RUNPOD = ProviderInfo(
    name="runpod",
    title="RunPod",
    connect=_connect,
    capabilities=_capabilities,
    settings=config.TABLE,
    key_origin=config.key_origin,
    every_key=config.every_key,
    account_api=_account_api,
    own_options={
        "cuda_versions": {"type": "list", "elements": "str", "default": []},
        "entrypoint": {"type": "list", "elements": "str"},
        "cmd": {"type": "list", "elements": "str"},
        "global_networking": {"type": "bool"},
        "start_ssh": {"type": "bool"},
        "start_jupyter": {"type": "bool"},
    },
    pod_module="podyard.gpu.runpod_pod",
)
