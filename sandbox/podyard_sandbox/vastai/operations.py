# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that is served: its route, the right it needs, and how often it may be called.

The intervals between calls are those of Vast.ai's API description and of its pages on rate limits; operations without
one are not limited here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "vast."
NO_KEY = ""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        method, path: its route; the path is below /api, without the optional trailing slash.
        right: the permission that a restricted key needs; NO_KEY: no key is checked.
        interval: seconds required between two calls with one key.
        penalty: seconds until the next call after one that came too early, if longer than the interval.
        burst: calls allowed within ``window`` seconds, instead of an interval.
        recorded: whether the ledger records its calls, since they can change something.
        own: whether an instance's own key may do it, to that instance.
    """

    method: str
    path: str
    right: str
    interval: float = 0.0
    penalty: float = 0.0
    burst: int = 0
    window: float = 0.0
    recorded: bool = False
    own: bool = False


def _read(path: str, right: str, interval: float = 0.0, *, own: bool = False, method: str = "GET") -> Operation:
    return Operation(method, path, right, interval, own=own)


def _search(method: str, path: str) -> Operation:
    return Operation(method, path, NO_KEY, burst=10, window=60.0)


def _write(
    method: str, path: str, right: str, interval: float = 0.0, penalty: float = 0.0, *, own: bool = False
) -> Operation:
    return Operation(method, path, right, interval, penalty, recorded=True, own=own)


_INSTANCE = "/v0/instances/{id}"

OPERATIONS: Mapping[str, Operation] = {
    # Market
    "searchOffers": _search("POST", "/v0/bundles"),
    "searchOffersByQuery": _search("GET", "/v0/bundles"),
    "searchAsks": _search("PUT", "/v0/search/asks"),
    "gpuNames": _read("/v0/gpu_names/unique", NO_KEY),
    "gpuTypes": _read("/v0/gpu_types", NO_KEY),
    # Instances
    "createInstance": _write("PUT", "/v0/asks/{id}", "instance_write", 4.5, 12.0),
    "createInstances": _write("POST", "/v0/asks/bulk", "instance_write", 4.5, 12.0),
    "launchInstance": _write("PUT", "/v0/launch_instance", "instance_write", 5.0),
    "listInstances": _read("/v1/instances", "instance_read", 1.0),
    "listInstancesV0": _read("/v0/instances", "instance_read", 1.0),
    "countInstances": _read("/v0/instances/count", "instance_read"),
    "showInstance": _read(_INSTANCE, "instance_read", 2.0, own=True),
    "manageInstance": _write("PUT", _INSTANCE, "instance_write", 1.0, own=True),
    "manageInstances": _write("PUT", "/v0/instances", "instance_write", 2.0),
    "destroyInstance": _write("DELETE", _INSTANCE, "instance_write", 3.0, own=True),
    "destroyInstances": _write("DELETE", "/v0/instances", "instance_write", 3.0),
    "rebootInstance": _write("PUT", "/v0/instances/reboot/{id}", "instance_write", 1.0),
    "recycleInstance": _write("PUT", "/v0/instances/recycle/{id}", "instance_write", 1.0),
    "updateInstance": _write("PUT", "/v0/instances/update_template/{id}", "instance_write", 1.0),
    "changeBid": _write("PUT", "/v0/instances/bid_price/{id}", "instance_write", 5.5),
    "prepayInstance": _write("PUT", "/v0/instances/prepay/{id}", "instance_write", 2.0),
    "showDeposit": _read("/v0/instances/balance/{id}", "instance_read", 3.0),
    "takeSnapshot": _write("POST", "/v0/instances/take_snapshot/{id}", "instance_write"),
    "pendingPriceIncreases": _read("/v0/instances/pending-price-increases", "instance_read"),
    "acceptPriceIncrease": _write("PUT", "/v0/instances/accept-price-increase", "instance_write"),
    "requestLogs": _read("/v0/instances/request_logs/{id}", "instance_read", method="PUT"),
    "executeCommand": _write("PUT", "/v0/instances/command/{id}", "instance_write", 1.5),
    # Keys
    "listSshKeys": _read("/v0/ssh", "user_read"),
    "createSshKey": _write("POST", "/v0/ssh", "user_write", 1.0),
    "updateSshKey": _write("PUT", "/v0/ssh/{id}", "user_write", 1.0),
    "deleteSshKey": _write("DELETE", "/v0/ssh/{id}", "user_write"),
    "showInstanceKeys": _read("/v0/instances/{id}/ssh", "instance_read"),
    "attachSshKey": _write("POST", "/v0/instances/{id}/ssh", "instance_write"),
    "replaceSshKey": _write("PUT", "/v0/instances/{id}/ssh", "instance_write"),
    "detachSshKey": _write("DELETE", "/v0/instances/{id}/ssh/{key}", "instance_write", 2.0),
    # Account
    "showUser": _read("/v0/users/current", "user_read"),
    "listEnvVars": _read("/v0/secrets", "user_read", 5.0),
    "createEnvVar": _write("POST", "/v0/secrets", "user_write", 3.0),
    "updateEnvVar": _write("PUT", "/v0/secrets", "user_write", 3.0),
    "deleteEnvVar": _write("DELETE", "/v0/secrets", "user_write", 3.0),
    "listApiKeys": _read("/v0/auth/apikeys", "user_read", 1.0),
    "createApiKey": _write("POST", "/v0/auth/apikeys", "user_write", 2.0),
    "showApiKey": _read("/v0/auth/apikeys/{id}", "user_read"),
    "deleteApiKey": _write("DELETE", "/v0/auth/apikeys/{id}", "user_write"),
    "showCharges": _read("/v0/charges", "billing_read", 1.0),
    "showInvoices": _read("/v1/invoices", "billing_read", 3.0),
    "showInvoicesV0": _read("/v0/invoices", "billing_read", 3.0),
    # Volumes and templates
    "listVolumes": _read("/v0/volumes", "instance_read", 5.5),
    "searchVolumes": _read("/v0/volumes/search", "misc", 5.5, method="POST"),
    "createVolume": _write("PUT", "/v0/volumes", "instance_write", 5.5),
    "deleteVolume": _write("DELETE", "/v0/volumes", "instance_write", 5.5),
    "listTemplates": _read("/v0/template", "user_read", 3.0),
    "createTemplate": _write("POST", "/v0/template", "user_write", 3.0),
    "updateTemplate": _write("PUT", "/v0/template", "user_write", 3.0),
    "updateTemplateV1": _write("PUT", "/v1/template", "user_write", 3.0),
    "deleteTemplate": _write("DELETE", "/v0/template", "user_write", 3.0),
    # Copying
    "copyDirect": _write("PUT", "/v0/commands/copy_direct", "instance_write", 3.5),
    "cancelCopyDirect": _write("DELETE", "/v0/commands/copy_direct", "instance_write", 3.5),
    "copyRsync": _write("PUT", "/v0/commands/rsync", "instance_write", 3.5),
    "cancelCopyRsync": _write("DELETE", "/v0/commands/rsync", "instance_write", 3.5),
}  # fmt: skip
NAMES = tuple(PREFIX + name for name in OPERATIONS)
