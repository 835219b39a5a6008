# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment, which stand in for options that a module was not given.

They always apply to how a pod is reached, but to its properties only when it is rented now: a variable of the
environment must never change, and thereby reset, an existing pod.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core.errors import BadRequest
from .._core.pod import Mount
from .._core.public_keys import key_lines
from .._pods.spec import PodSpec
from .._providers import registry, settings

#: Options that say how a pod is reached.
CONNECTION = ("private_key_file", "ssh_user")
#: Options whose settings are read elsewhere: the driver asks for them.
API = ("api_key", "api_url")
#: Option -> field of PodSpec, where the value is taken as it is.
PLAIN = {"image": "image", "disk": "disk_gb", "template": "template_id"}


def take(provider: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return option -> value, for the options that were not given.

    :param params: the module's options; with ``settings`` false no variable is read.
    :raises BadRequest: naming the variable whose value is not valid.
    """
    return {str(each.setting.option): _value(each) for each in _found(provider, params)}


def blame(provider: str, params: Mapping[str, Any], message: str) -> str:
    """Return the end of a message that names options: which of them came from a variable, not from the user."""
    told = [
        f"{each.setting.option} from {each.setting.name} in {each.origin}"
        for each in _found(provider, params)
        if re.search(rf"\boptions? {re.escape(str(each.setting.option))}(?![\w.])", message)
    ]
    return f" What came from settings: {'; '.join(told)}." if told else ""


def _found(provider: str, params: Mapping[str, Any]) -> list[settings.Found]:
    """Return the settings that stand in for options without a value."""
    state = params["state"]
    if not params["settings"] or state in ("absent", "stopped"):
        return []
    given = {option for option, value in params.items() if value not in (None, "", [], {})}
    if any((params[volume] or {}).get("path") for volume in ("volume", "network_volume")):
        given.add("volume.path")
    if "PUBLIC_KEY" in (params["env"] or {}):
        given.add("public_keys")
    table = [
        setting
        for setting in registry.settings(provider)
        if setting.option not in (None, *API) and (setting.option in CONNECTION or state != "restarted")
    ]
    return list(settings.take(table, settings.Sources(os.environ), given).values())


def _value(found: settings.Found) -> Any:
    """Return the value in the option's form: keys are read from their file."""
    if found.setting.option != "public_keys":
        return found.value
    text = Path(found.value).read_text(encoding="utf-8", errors="replace")
    keys = tuple(key_lines(text))
    if not keys or "PRIVATE KEY" in text:
        place = f"{found.setting.name}, set in {found.origin},"
        raise BadRequest(f"{place} names {found.value}, which contains no public key.")
    return keys


def for_a_new_pod(pod: PodSpec, values: Mapping[str, Any]) -> PodSpec:
    """Return the pod with the values that apply if it is rented now; an existing pod is not compared with them."""
    fields = {field: values[option] for option, field in PLAIN.items() if option in values}
    if "gpus" in values:
        fields["gpus"] = tuple(values["gpus"])
    if "public_keys" in values:
        fields["public_keys"] = values["public_keys"]
    path = values.get("volume.path")
    if "network_volume" in values:
        fields["network_volume"] = Mount("network", path, volume_id=values["network_volume"])
    elif "volume" in values:
        fields["volume"] = Mount("disk", path, size_gb=values["volume"])
    elif path:
        for name in ("network_volume", "volume"):
            mount = getattr(pod, name)
            fields.update({name: replace(mount, path=path)} if mount is not None else {})
    return replace(pod, for_new=fields)
