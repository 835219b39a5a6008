# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that modules for a provider's own resources share: options, calls of the reconciler, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import missing_required_lib

from .._core.clock import PollInterval
from .._core.errors import BadRequest, CloudError
from .._core.public_keys import key_lines
from .._http import session
from .._providers import registry
from .._resources import reconcile
from .._resources.resource import AccountApi, ResourceResult, ResourceSpec
from .common import API

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Options of every module that brings one object into a state.
STATE: dict[str, Any] = {
    "name": {"type": "str"},
    "id": {"type": "str"},
    "state": {"type": "str", "choices": list(reconcile.STATES), "default": "present"},
    "wait_timeout": {"type": "float", "default": 0},
    "poll_interval": {"type": "float"},
    "consistency_grace": {"type": "float", "default": 60},
    **API,
}
#: Options of every module that reads objects.
INFO: dict[str, Any] = {"name": {"type": "str"}, "id": {"type": "str"}, **API}


def open_account_api(module: AnsibleModule, provider: str) -> AccountApi:
    """Return the API for what an account holds besides pods.

    The key and the address come from the module's options, else from where the vendor's tools look.

    :raises CloudError: when the library or the key is missing, or the address is not usable.
    """
    if session.LIBRARY_PROBLEM is not None:
        raise CloudError(missing_required_lib("requests"), detail=str(session.LIBRARY_PROBLEM))
    account_api = registry.account_api(provider, api_key=module.params["api_key"], api_url=module.params["api_url"])
    account_api.tell(module.warn)
    return account_api


def ensure(
    module: AnsibleModule, provider: str, kind: str, values: Mapping[str, Any], *, renew: bool = False
) -> ResourceResult:
    """Bring the object that the module's options describe into the requested state.

    :param values: the options that are its properties; None means "not given".
    :param renew: replace the object if it exists.
    :raises CloudError: with a message for the user.
    """
    params = module.params
    given = {name: value for name, value in values.items() if value is not None}
    wanted = ResourceSpec(id=params["id"] or None, name=params["name"], values=given, renew=renew)
    polls = PollInterval(interval=params["poll_interval"])
    store = open_account_api(module, provider).store(kind, polls=polls, grace=params["consistency_grace"])
    return reconcile.ensure(store, wanted, params["state"], check=module.check_mode, patience=params["wait_timeout"])


def options(module: AnsibleModule, specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the module's options that are properties of the object."""
    return {name: module.params[name] for name in specification}


def result(module: AnsibleModule, outcome: ResourceResult, word: str) -> dict[str, Any]:
    """Show the outcome's warnings and return the arguments of ``exit_json``, with the object under ``word``."""
    for warning in outcome.warnings:
        module.warn(warning)
    return {
        "changed": outcome.changed,
        "msg": outcome.message,
        "changes": list(outcome.changes),
        word: outcome.after,
        "diff": {"before": outcome.before or {}, "after": outcome.after or {}},
    }


def gather(module: AnsibleModule, provider: str, kind: str, source: str | None = None) -> list[dict[str, Any]]:
    """Return the objects that the module's options select, secrets masked; the list may be empty.

    :param source: a list other than the account's own.
    :raises CloudError: with a message for the user.
    """
    store = open_account_api(module, provider).store(kind)
    object_id, name = module.params["id"], module.params["name"]
    if object_id and source is None:
        found = store.get(object_id)
        listed: Sequence[Mapping[str, Any]] = [found] if found is not None else []
    else:
        listed = store.all(source)
    shown = [store.resource.show(store.resource.read(raw)) for raw in listed]
    return [one for one in shown if object_id in (None, "", one["id"]) and name in (None, "", one["name"])]


def public_keys(module: AnsibleModule) -> list[str]:
    """Return the lines of the options key and path that may be SSH keys, without empty lines and comments.

    :raises BadRequest: for a file that cannot be read, and when there is no key at all.
    """
    path, texts = module.params["path"], module.params["key"] or []
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                texts = [file.read()]
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise BadRequest(
                f"The file of SSH public keys {path} cannot be read: {why}. Create a key with: ssh-keygen -t ed25519"
            ) from error
    found = [line for text in texts for line in key_lines(text)]
    if not found:
        where = f"the file {path}" if path is not None else "the option key"
        raise BadRequest(f"There is no SSH public key in {where}; nothing was changed.")
    return found
