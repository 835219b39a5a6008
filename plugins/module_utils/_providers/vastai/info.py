# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of Vast.ai what the registry asks; the driver is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._resources.resource import AccountApi
from ..base import Capabilities, Provider, ProviderInfo
from . import config

RUNTYPES = ("direct", "proxy", "jupyter", "jupyter_proxy", "args")
MORE_VOLUMES = {"id": {"type": "str", "required": True}, "path": {"type": "str", "required": True}}
#: Options that only this provider has and that go to its driver as they are.
EXTRA: dict[str, Any] = {
    "runtype": {"type": "str", "choices": list(RUNTYPES)},
    "args_list": {"type": "list", "elements": "str"},
    "registry_login": {
        "type": "dict",
        "options": {
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "server": {"type": "str"},
        },
    },
    "user": {"type": "str"},
    "vm": {"type": "bool"},
    "use_jupyter_lab": {"type": "bool"},
    "jupyter_dir": {"type": "str"},
    "python_utf8": {"type": "bool"},
    "lang_utf8": {"type": "bool"},
    "force": {"type": "bool"},
    "extra": {"type": "str"},
    "account_keys": {"type": "bool", "default": True},
    "hostname": {"type": "str"},
    "network": {"type": "str"},
    "more_volumes": {"type": "list", "elements": "dict", "options": MORE_VOLUMES},
}


def _connect(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> Provider:
    # Imported late: a task that talks to one provider should not load the drivers of the others.
    from .provider import Vast

    key, url = config.find_key(api_key, environ), config.find_url(api_url, environ, api_key)
    return Vast(key, url, scale=config.find_scale(environ))


def _account_api(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> AccountApi:
    from .account import VastAccount

    key, url = config.find_key(api_key, environ), config.find_url(api_url, environ, api_key)
    return VastAccount(key, url, scale=config.find_scale(environ))


def _capabilities() -> Capabilities:
    from .provider import Vast

    return Vast.capabilities


VASTAI = ProviderInfo(
    name="vastai",
    title="Vast.ai",
    connect=_connect,
    capabilities=_capabilities,
    settings=config.TABLE,
    key_origin=config.key_origin,
    every_key=config.every_key,
    account_api=_account_api,
    own_options={"search": {"type": "raw"}, "onstart": {"type": "str"}},
    extra_options=EXTRA,
    pod_module="podyard.gpu.vastai_instance",
)
