# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read settings from the environment and from ``.env`` files.

Each driver has the table of its provider's settings. The environment of the process wins over ``.env`` files. The value
of a secret setting is never part of a message.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .._core.errors import AuthError, BadRequest

#: Lists ``.env`` files that are read before the one in the working directory, separated as in PATH. With it a playbook
#: points the modules, which Ansible starts in another directory, to the file beside its job.
FILES_VARIABLE = "PODYARD_ENV_FILE"
ENVIRONMENT = "the environment"
HEADING = """\
# Settings of podyard.gpu, for a file named .env beside the job or where ansible-playbook is called.
# Take the # away from a line to use it. Variables of the environment win over this file, and options and
# train_* variables win over both. Keep the file to yourself (chmod 600 .env) and out of git."""
_LINE = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*?)\s*$")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Setting:
    """One environment variable, and what it stands in for.

    :param kind: ``text``, ``word`` (no blanks), ``list`` (separated by commas), ``int``, ``file`` (a readable one) or
        ``flag``.
    :param least: the smallest value of an ``int``.
    :param option: the option of modules that it stands in for; ``a.b`` is the part b of the option a.
    :param variable: the variable of a job that it stands in for.
    :param beaten_by: settings and options that make this one ineffective when they have a value.
    :param remark: a sentence that a person who set it should know.
    """

    name: str
    meaning: str
    example: str
    kind: str = "text"
    unit: str | None = None
    least: int = 1
    option: str | None = None
    variable: str | None = None
    beaten_by: tuple[str, ...] = ()
    secret: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Found:
    """A setting with its value.

    :param origin: ENVIRONMENT or the path of a file.
    """

    setting: Setting
    value: Any
    origin: str


class Sources:
    """Where settings come from: the environment, the files of FILES_VARIABLE, ``.env`` in the working directory.

    :raises BadRequest: when a file that the user named cannot be read.
    """

    def __init__(self, environ: Mapping[str, str], directory: Path | None = None) -> None:
        self._environ = environ
        named = [name for name in environ.get(FILES_VARIABLE, "").split(os.pathsep) if name]
        usual = (directory or Path.cwd()) / ".env"
        self._files = [(name, _read_named(Path(name).expanduser())) for name in named]
        if str(usual) not in named:
            self._files.append((str(usual), parse(_text_of(usual) or "")))

    def find(self, name: str) -> tuple[str, str] | None:
        """Return the first text with this name, and its origin; None when there is none or only empty ones."""
        if self._environ.get(name, "").strip():
            return self._environ[name].strip(), ENVIRONMENT
        return next(((values[name], path) for path, values in self._files if values.get(name)), None)

    def every(self, name: str) -> list[str]:
        """Return all texts with this name, including those that another one overrides."""
        return [
            text
            for text in (self._environ.get(name, "").strip(), *(each.get(name) for _path, each in self._files))
            if text
        ]


def find_address(sources: Sources, name: str, key_name: str, key_given: bool, vendor: str) -> str | None:
    """Return the address of an API from the setting of this name, or None.

    A ``.env`` file may come with other people's code. So it may say where the key in the same file is sent, but any
    other key goes only to the vendor or to this machine.

    :param key_name: the setting that holds the key.
    :param key_given: True when an option gives the key.
    :param vendor: the vendor's own address.
    :raises BadRequest: when a file would send a key elsewhere that it does not contain.
    """
    found = sources.find(name)
    if found is None or found[1] == ENVIRONMENT:
        return found[0] if found is not None else None
    text, origin = found
    parts, key = urlsplit(text), None if key_given else sources.find(key_name)
    harmless = is_loopback(parts.hostname) or (parts.scheme, parts.netloc) == tuple(urlsplit(vendor)[:2])
    if not harmless and (key is None or key[1] != origin):
        raise BadRequest(
            f"{name} in {origin} was not used, because it would send an API key that is not in that file to "
            f"{parts.hostname or text}. Nothing was sent. If that is intended, set {name} in the environment, set the "
            f"option api_url, or put {key_name} into the same file; if not, remove the line from the file."
        )
    return text


def checked_key(key: str, title: str) -> str:
    """Return the key of an API without blanks around it.

    :raises AuthError: when it has characters that no key has.
    """
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthError(
            f"The API key for {title} contains a blank or an unprintable character: copy it again, as one word."
        )
    return key


def checked_address(text: str, title: str, paths: Sequence[str], vendor: str) -> str:
    """Return the scheme, host and port of an API's address.

    :param paths: paths at its end that people copy along; they are removed, because requests append their own.
    :param vendor: the vendor's own address, for a message.
    :raises BadRequest: for an address that is not a URL, or that would send the key unencrypted over a network.
    """
    text = text.strip().rstrip("/")
    for path in paths:
        text = text[: -len(path)] if text.endswith(path) else text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(
            f"The address of {title}'s API, {text!r}, is not an http or https URL; the vendor's own is {vendor}."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadRequest(f"The address of {title}'s API can have only a scheme, a host, a port and a path.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise BadRequest(
            f"The address of {title}'s API, {text}, would send the API key unencrypted. Use https, or http to this "
            "machine's loopback address."
        )
    return text


def is_loopback(host: str | None) -> bool:
    """Return True when the host of an address is this machine, without asking a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def parse(text: str) -> dict[str, str]:
    """Parse the variables of a ``.env`` file.

    Each line is ``NAME=value``, where ``export``, quotes and comments are allowed. As in a shell, the last line with a
    name counts.
    """
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            found[match["name"]] = _unquoted(match["value"])
    return found


def _unquoted(value: str) -> str:
    quoted = re.match(r"""(["'])(.*?)\1(\s+#.*)?$""", value)
    if quoted:
        return quoted[2]
    return "" if value.startswith("#") else value.split(" #", 1)[0].rstrip()


def _text_of(path: Path) -> str | None:
    """Return the content of a file that the user did not name; None when it cannot be read or is not text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _read_named(path: Path) -> dict[str, str]:
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadRequest(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"The settings file {path} is not a text file.") from error


def take(table: Iterable[Setting], sources: Sources, given: Collection[str] = ()) -> dict[str, Found]:
    """Return the settings in force, by name: those with a value that nothing overrides.

    :param given: options of a module, or variables of a job, that have a value of their own, which wins.
    :raises BadRequest: for an impossible value; it names the variable.
    """
    table = list(table)
    texts = {setting.name: found for setting in table if (found := sources.find(setting.name)) is not None}
    taken = {}
    for setting in table:
        beaten = {*given, *texts} & {*setting.beaten_by, setting.option, setting.variable}
        if setting.name in texts and not beaten:
            text, origin = texts[setting.name]
            taken[setting.name] = Found(setting, convert(setting, text, origin), origin)
    return taken


def convert(setting: Setting, text: str, origin: str) -> Any:
    """Convert the text of a setting to its kind.

    :raises BadRequest: with one sentence that names the variable and where it was set.
    """
    place = f"{setting.name}, set in {origin},"
    if setting.kind == "int":
        amount = f"whole number{f' of {setting.unit}' if setting.unit else ''}, {setting.least} or more"
        if not re.fullmatch(r"\d{1,9}", text) or int(text) < setting.least:
            raise BadRequest(f"{place} must be a {amount}, not {text!r}.")
        return int(text)
    if setting.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if setting.kind == "flag":
        if text.lower() not in _YES + _NO:
            raise BadRequest(f"{place} must be 1 or 0, not {text!r}.")
        return text.lower() in _YES
    if setting.kind == "file":
        return _file(place, text, origin)
    if setting.kind == "word" and re.search(r"\s", text):
        raise BadRequest(f"{place} must be one word, not {text!r}.")
    return text


def _file(place: str, text: str, origin: str) -> str:
    """Return the absolute path of a readable file.

    A relative path in a ``.env`` file starts from that file, because the directory of a module is not predictable.
    """
    path = Path(text).expanduser()
    if not path.is_absolute():
        path = (Path.cwd() if origin == ENVIRONMENT else Path(origin).parent) / path
    if not path.is_file() or not os.access(path, os.R_OK):
        raise BadRequest(f"{place} names {path}, which this user cannot read as a file.")
    return str(path)


def lines(found: Mapping[str, Found], also: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return a line per setting in force, without its value: its name, its origin, and what it stands in for.

    :param also: more names with their origins, for instance that of the key.
    """
    listed = [f"{name} from {origin}" for name, origin in also]
    for name, each in found.items():
        stands = f" as {each.setting.variable or each.setting.option}" if each.setting.option else ""
        listed.append(f"{name} from {each.origin}{stands}")
    return listed


def template(tables: Mapping[str, Iterable[Setting]]) -> str:
    """Return a documented ``.env`` file with every setting of every provider, each commented out."""
    blocks = [HEADING]
    for provider, table in tables.items():
        blocks.append(f"# ---- {provider} ----")
        blocks += [
            "\n".join([*_documented(setting), f"#{setting.name}={_quoted(setting.example)}"]) for setting in table
        ]
    return "\n\n".join(blocks) + "\n"


def _documented(setting: Setting) -> list[str]:
    option = f"the option {setting.option}" if setting.option else ""
    variable = f"{setting.variable} of a job" if setting.variable else ""
    stands = ", ".join(place for place in (option, variable) if place)
    unit = f" In {setting.unit}." if setting.unit else ""
    return [f"# {setting.meaning}{unit}", *([f"# Stands in for {stands}."] if stands else [])]


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[\s#]", text) else text
