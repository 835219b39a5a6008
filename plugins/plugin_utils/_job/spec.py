# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a job as declared, and the conversion of what people and surveys give.

The declaration is the role train's argument specification. Ansible's own check of it neither refuses unknown names nor
converts text, and stops at the first kind of fault; here every fault gets its own sentence, and all are told at once.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._providers import registry

PREFIX = "train_"
# Its choices are the providers of the registry, which the declaration in YAML can only repeat.
PROVIDERS = "train_providers"
# Their values may be secrets and are never shown.
SECRET = ("train_env", "train_files")
# They hold countries, by two letters.
PLACES = ("train_regions", "train_data_centers")
# What holds when neither the job nor a setting says anything else.
USUAL = {"train_disk": 20, "train_mount_path": "/workspace"}
WORDS = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "yes or no",
    "list": "a list, or text with commas",
    "dict": "names with values",
}
# A value that is quoted in a message: enough to recognise it.
SHOWN = 60


class Problem(ValueError):
    """One thing that is wrong with a job; the text is a sentence for people."""


def load(path: Path) -> dict[str, dict[str, Any]]:
    """Return the options of the entry point `main` of a role's meta/argument_specs.yml, by name.

    :raises Problem: when the file cannot be read.
    """
    try:
        options = dict(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise Problem(f"The declaration of the job's variables, {path}, cannot be read: {error}.") from error
    if PROVIDERS in options:
        options[PROVIDERS] = {**options[PROVIDERS], "choices": registry.names()}
    return options


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the known word that is closest to this one, else a full stop."""
    by_fold = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[close[0]]}?" if close else "."


def unknown_names(names: Iterable[str], options: Mapping[str, Any], late: Iterable[str]) -> list[str]:
    """Return a sentence for each name of a job's variable that is not declared."""
    problems = []
    for name in sorted(name for name in names if name.startswith(PREFIX) and name not in options):
        if name in late:
            problems.append(f"{name} is set by the collection and cannot be given.")
        else:
            problems.append(f"{name} is not a variable of a job{suggestion(name, options)}")
    return problems


def is_given(value: Any) -> bool:
    """Whether a variable has a value. A survey's unanswered question is empty text, which is none."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def convert(name: str, option: Mapping[str, Any], value: Any) -> Any:
    """Convert the value of one variable to the declared type.

    Text becomes a number, a list (commas, lines, YAML or JSON) or a dict (YAML, JSON or k=v) where one is declared.

    :raises Problem: with a sentence that names the variable.
    """
    kind = option.get("type", "str")
    if kind == "list":
        return _convert_list(name, option, value)
    if kind == "dict":
        return _convert_dict(name, option, value)
    if kind == "raw":
        return value
    if isinstance(value, (list, dict)) or (isinstance(value, bool) and kind != "bool"):
        raise _wrong_type(name, kind, value)
    if isinstance(value, str):
        value = value.strip() if kind != "str" else value
    result = ArgumentSpecValidator({name: {"type": kind}}).validate({name: value})
    if result.error_messages:
        raise _wrong_type(name, kind, value)
    return _checked_choice(name, option, _checked_number(name, result.validated_parameters[name]))


def default(name: str, option: Mapping[str, Any]) -> Any:
    """Return the declared or usual default of a variable, converted; None when there is none."""
    value = option.get("default", USUAL.get(name))
    return None if value is None else convert(name, option, value)


def _convert_list(name: str, option: Mapping[str, Any], value: Any) -> list[Any]:
    if isinstance(value, str):
        value = _list_from_text(name, value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(name, "list", value)
    element = {"type": option.get("elements", "str"), **{part: option.get(part) for part in ("choices", "options")}}
    if name in PLACES:
        # To YAML, Norway is a no.
        value = ["NO" if entry is False else entry for entry in value]
    return [convert(f"{name}[{index}]", element, entry) for index, entry in enumerate(value) if is_given(entry)]


def _list_from_text(name: str, text: str) -> list[Any]:
    text = text.strip()
    if text.startswith(("[", "- ")):
        loaded = _from_yaml(name, "list", text)
        if not isinstance(loaded, list):
            raise _wrong_type(name, "list", text)
        return loaded
    separator = "\n" if "\n" in text else ","
    return [part.strip() for part in text.split(separator) if part.strip()]


def _convert_dict(name: str, option: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _dict_from_text(name, value)
    if not isinstance(value, Mapping):
        raise _wrong_type(name, "dict", value)
    declared = option.get("options")
    if not declared:
        return {str(key): entry for key, entry in value.items()}
    strange = [key for key in value if key not in declared]
    if strange:
        raise Problem(f"{name} has no part '{strange[0]}'{suggestion(str(strange[0]), declared)}")
    parts = {key: convert(f"{name}.{key}", declared[key], entry) for key, entry in value.items() if is_given(entry)}
    missing = [key for key, part in declared.items() if part.get("required") and key not in parts]
    if missing:
        raise Problem(f"{name} has no part '{missing[0]}', and needs one.")
    return {**{key: part["default"] for key, part in declared.items() if "default" in part}, **parts}


def _dict_from_text(name: str, text: str) -> Any:
    text = text.strip()
    if ":" in text.split("=")[0]:
        return _from_yaml(name, "dict", text)
    result = ArgumentSpecValidator({name: {"type": "dict"}}).validate({name: text})
    if result.error_messages:
        raise _wrong_type(name, "dict", text)
    return result.validated_parameters[name]


def _from_yaml(name: str, kind: str, text: str) -> Any:
    """YAML or JSON text with every scalar as the text that was written: 12.10 must not become 12.1."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise _wrong_type(name, kind, text) from error


def _checked_number(name: str, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise Problem(f"{name} must be a number that can be counted with, not {value}.")
    return value


def _checked_choice(name: str, option: Mapping[str, Any], value: Any) -> Any:
    choices = option.get("choices")
    if not choices or value in choices:
        return value
    by_fold = {str(choice).lower(): choice for choice in choices}
    if str(value).lower() in by_fold:
        return by_fold[str(value).lower()]
    names = " or ".join(map(str, choices))
    close = suggestion(str(value), map(str, choices)) if len(choices) > 1 else "."
    raise Problem(f"{name} must be {names}, not {quoted(name, value)}{close}")


def _wrong_type(name: str, kind: str, value: Any) -> Problem:
    return Problem(f"{name} must be {WORDS.get(kind, kind)}, not {quoted(name, value)}.")


def quoted(name: str, value: Any) -> str:
    """Return a value as a message quotes it: short, and never one that may be a secret."""
    if name.startswith(SECRET):
        return f"what was given (a {type(value).__name__})" if not isinstance(value, str) else "what was given"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"'{text}'" if isinstance(value, str) else text
