# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the bodies of creates: their values, what a template adds, and what is refused."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from aiohttp import web

from podyard_sandbox import strict_json
from podyard_sandbox.vastai.errors import ApiError, refusal
from podyard_sandbox.vastai.instance import Config

_MAX_LABEL, _MAX_IMAGE, _MAX_ONSTART, _MAX_VARIABLES, _MAX_ENV = 256, 1024, 16_384, 256, 32_768
_DEFAULT_DISK, _DEFAULT_VOLUME = 10.0, 15.0
_RUNTYPES = frozenset(
    ("args", *(f"{kind}{how}" for kind in ("ssh", "jupyter") for how in ("", "_proxy", "_direc", "_direct")))
)
_MIN_BID, _MAX_BID = 0.001, 128.0
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_ID = re.compile(r"[0-9]{1,18}")
_MAX_SHOWN = 80
_MOUNT = re.compile(r"-v V\.[0-9]{1,18}:/\S+")
# Host's and container's port, and the protocol; a number above 65535 asks for a port that is the same on both sides.
_PORT_FLAG = re.compile(r"-p +(?:[0-9]{1,5}:)?([0-9]{1,5})(?:/(?:tcp|udp))?")
_MAX_PORTS = 64


async def read(request: web.Request, status: int = 400) -> dict[str, Any]:
    """Read the body as an object; empty if there is no body.

    Raises:
        ApiError: the body is not a JSON object.
    """
    try:
        raw = await request.read()
    except web.RequestPayloadError:
        raise no_json(status) from None
    if not raw.strip():
        return {}
    try:
        body = strict_json.loads(raw)
    except ValueError:
        raise no_json(status) from None
    if not isinstance(body, dict):
        raise no_json(status)
    return body


def no_json(status: int = 400) -> ApiError:
    """Refuse a body that is not a JSON object."""
    return ApiError(status, {"error": "invalid_request", "msg": "Invalid json body"})


def invalid(text: str, **more: Any) -> ApiError:
    """Refuse invalid arguments."""
    return refusal(400, "invalid_args", f"error 400/3467: Invalid args: {text}", **more)


def number(value: Any) -> int:
    """Read a whole number, which may be written as text.

    Raises:
        ApiError: 400.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise invalid(f"{shown(value)} is not a number")


def amount(value: Any) -> float:
    """Read a finite number, which may be written as text.

    Raises:
        ValueError: it is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("not a number")
    try:
        found = float(value)
    except OverflowError:
        raise ValueError("too large") from None
    if not math.isfinite(found):
        raise ValueError("not finite")
    return found


def shown(value: Any) -> str:
    """Quote what a client sent, short enough for a refusal."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def identifier(text: str) -> int | None:
    """Read an id in a path; None if it is not a number."""
    return int(text) if _ID.fullmatch(text) else None


def numbers(value: Any, name: str) -> list[int]:
    """Read a list of whole numbers.

    Raises:
        ApiError: 400.
    """
    if not isinstance(value, list) or not value:
        raise invalid(f"{name} is required")
    return [number(each) for each in value]


def merged(body: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Add a template's values to a body: the body's own values win, and ``env`` is merged by name."""
    image = template["image"]
    if template["tag"] and ":" not in image:
        image = f"{image}:{template['tag']}"
    base = {
        "image": image,
        "onstart": template["onstart"] or None,
        "disk": template["recommended_disk_space"],
        "runtype": _template_runtype(template),
        "args_str": template["args_str"] or None,
    }
    given = {name: value for name, value in body.items() if value is not None and value != ""}
    env = {**flags(template["env"]), **_env(given.get("env"), apply_text=True)}
    return {**base, **given, "env": env}


def _template_runtype(template: Mapping[str, Any]) -> str:
    kind = template["runtype"]
    if kind == "jupyter":
        return "jupyter_direc ssh_direc ssh_proxy" if template["jup_direct"] else "jupyter_proxy ssh_proxy"
    if kind == "ssh" or template["use_ssh"]:
        return "ssh_direc ssh_proxy" if template["ssh_direct"] else "ssh_proxy"
    return kind


def flags(text: Any) -> dict[str, str]:
    """Convert Docker's flags to the object that a create takes: -e NAME=value and -p 8080:8080."""
    if isinstance(text, Mapping):
        return {str(name): str(value) for name, value in text.items()}
    found: dict[str, str] = {}
    words = _words(text, "env")
    for flag, word in pairwise(words):
        if flag in ("-e", "--env"):
            name, _equals, value = word.partition("=")
            found[name] = value
        elif flag in ("-p", "-v", "-n"):
            found[f"{flag} {word}"] = "1"
        elif flag == "-h":
            found["-h"] = word
    return found


def _env(given: Any, *, apply_text: bool = False) -> dict[str, str]:
    """Read ``env`` of a create; as text, which the description asks for, the live service ignores it."""
    if given is None or isinstance(given, str):
        return flags(given) if apply_text else {}
    if not isinstance(given, Mapping):
        raise invalid("env is not a dictionary")
    return {str(name): str(value) for name, value in given.items()}


def config(body: Mapping[str, Any]) -> Config:
    """Read the configuration that a create asks for.

    Raises:
        ApiError: 400.
    """
    image = _text(body, "image", _MAX_IMAGE)
    if not image:
        raise invalid("image is required")
    label = _text(body, "label", _MAX_LABEL)
    onstart = _text(body, "onstart", _MAX_ONSTART)
    env, args = _env(body.get("env")), _args(body)
    if len(env) > _MAX_VARIABLES or sum(len(name) + len(value) for name, value in env.items()) > _MAX_ENV:
        raise invalid("env is too large")
    runtype = _text(body, "runtype", 256) or ("args" if args else "ssh")
    if unknown := set(runtype.split()) - _RUNTYPES:
        raise invalid(f"runtype {shown(min(unknown))}")
    _check_flags(env)
    return Config(
        image=image.replace("@vastai-automatic-tag", "latest"),
        label=label,
        disk=_number(body, "disk", _DEFAULT_DISK, least=1.0),
        runtype=runtype,
        env=env,
        onstart=onstart,
        args=args,
        image_login=_text(body, "image_login", 4096),
        vm=body.get("vm") is True,
    )


def _check_flags(env: Mapping[str, str]) -> None:
    """Check the ports and volumes that ``env`` maps."""
    ports = [flag for flag in env if flag.startswith("-p ")]
    if len(ports) > _MAX_PORTS:
        raise invalid(f"more than {_MAX_PORTS} ports")
    for flag in ports:
        inside = _PORT_FLAG.fullmatch(flag)
        if inside is None or int(inside[1]) == 0:
            raise invalid(f"{shown(flag)} maps no port")
    for flag in env:
        if flag.startswith("-v ") and not _MOUNT.fullmatch(flag):
            raise invalid(f"{shown(flag)} mounts no volume")


def size(body: Mapping[str, Any]) -> float:
    """Read the size of a volume, GB.

    Raises:
        ApiError: 400.
    """
    return _number(body, "size", _DEFAULT_VOLUME, least=1.0)


def name(body: Mapping[str, Any]) -> str | None:
    """Read the name of a volume.

    Raises:
        ApiError: 400.
    """
    return _text(body, "name", _MAX_LABEL)


def bid(body: Mapping[str, Any]) -> float | None:
    """Read the bid of a create, USD per hour; None for on demand.

    Raises:
        ApiError: 400.
    """
    if body.get("price") is None:
        return None
    usd = _number(body, "price", 0.0)
    if not _MIN_BID <= usd <= _MAX_BID:
        raise refusal(400, "invalid_price", f"Please set a bid price between {_MIN_BID} and {_MAX_BID:g}.")
    return usd


def _args(body: Mapping[str, Any]) -> list[str]:
    args = body.get("args")
    if args is not None and not isinstance(args, list):
        raise invalid("args is not a list")
    if args:
        return [str(each) for each in args]
    return _words(body.get("args_str"), "args_str")


def _words(text: Any, name: str) -> list[str]:
    """Split a text that is quoted as in a shell.

    Raises:
        ApiError: 400.
    """
    try:
        return shlex.split(str(text or ""))
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


def _text(body: Mapping[str, Any], name: str, most: int) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(f"{name} is not a string")
    if len(value) > most:
        raise invalid(f"{name} is longer than {most} characters")
    return value


def _number(body: Mapping[str, Any], name: str, default: float, least: float | None = None) -> float:
    value = body.get(name)
    if value is None:
        return default
    try:
        found = amount(value)
    except ValueError:
        raise invalid(f"{name} is not a number") from None
    if least is not None and found < least:
        raise invalid(f"{name} is below {least:g}")
    return found
