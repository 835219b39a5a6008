# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: balance, SSH keys, and its resources besides pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard_sandbox.runpod.account import SPEND_LIMIT
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.graphql.pods import list_pods
from podyard_sandbox.runpod.graphql.resources import show_registry, show_template, show_volume
from podyard_sandbox.runpod.problems import Problem

_NOTICES = ("notifyPodsStale", "notifyPodsGeneral", "notifyLowBalance")
_NO_SERVERLESS = "podyard-sandbox does not implement serverless endpoints."


def account_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of the account's fields."""

    def myself(_info: Any) -> dict[str, Any]:
        return _user(cloud)

    def update_user_settings(_info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        keys = (input or {}).get("pubKey")
        if keys is not None:
            cloud.account.ssh_keys = [line.strip() for line in keys.splitlines() if line.strip()]
        return _user(cloud)

    def refuse_serverless(_info: Any, input: dict[str, Any] | None = None) -> None:
        raise Problem(400, _NO_SERVERLESS)

    return {
        "myself": myself,
        "updateUserSettings": update_user_settings,
        "saveEndpoint": refuse_serverless,
        "updateEndpointTemplate": refuse_serverless,
    }


def _user(cloud: Cloud) -> dict[str, Any]:
    """Return the account; its pods are read only if requested, since that counts as a read of each."""
    return {
        "id": cloud.account.id,
        "email": cloud.account.email,
        "pubKey": "\n".join(cloud.account.ssh_keys),
        "clientBalance": cloud.balance(),
        "currentSpendPerHr": cloud.spend(),
        "spendLimit": SPEND_LIMIT,
        **dict.fromkeys(_NOTICES, True),  # as in a new account
        "pods": lambda _info: list_pods(cloud),
        "networkVolumes": [show_volume(cloud, volume) for volume in cloud.volumes],
        "containerRegistryCreds": [show_registry(registry) for registry in cloud.registries],
        "podTemplates": [show_template(template) for template in cloud.templates],
        "endpoints": [],
    }
