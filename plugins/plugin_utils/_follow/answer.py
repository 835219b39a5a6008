# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question to a host about its training, and its answer, of which nothing is believed that was not checked."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...module_utils._training import files
from ...module_utils._training import state as training_state
from ...module_utils._training.metrics import number, text
from ...module_utils._training.state import MOST_FILES, MOST_LISTED, STREAMS

STATES = ("absent", "running", "succeeded", "failed", "lost", "unknown")
# The first line of an answer: the list of checkpoints, and some kB.
MOST_WORDS = MOST_LISTED + (1 << 20)
# No file is larger, and every place in a file can be counted with.
MOST_SIZE = 1 << 62
# Ten years, in seconds: more than any lease or training lasts.
MOST_SECONDS = 10 * 365 * 86400.0
# Sentences about what could not be read, and GPUs of one host.
MOST_TROUBLES, MOST_GPUS = 20, 64
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class BadAnswer(ValueError):
    """The host's answer is unusable; the text says why."""


def program(request: Mapping[str, Any]) -> bytes:
    """Return the Python program that looks at a training: it brings all that it needs, and leaves no file."""
    # As a package, since the second of the two imports the first by its place beside it.
    texts = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (files, training_state)]
    return (
        "import json, sys, types\n"
        "files = sys.modules['training.files'] = types.ModuleType('training.files')\n"
        f"exec({texts[0]!r}, files.__dict__)\n"
        "sys.modules['training'] = types.ModuleType('training')\n"
        "state = types.ModuleType('training.state')\nstate.__package__ = 'training'\n"
        f"exec({texts[1]!r}, state.__dict__)\n"
        f"print(state.packed(state.look(json.loads({json.dumps(dict(request), allow_nan=False)!r}))))\n"
    ).encode()


def read_answer(output: bytes, request: Mapping[str, Any]) -> dict[str, Any]:
    """Read what `_training_state.look` has seen for this request.

    What is odd in one part is left out and reported in its `trouble`, so that the rest can be used.

    :raises BadAnswer: for an answer that cannot be used at all.
    """
    words, *data = output.split(b"\n", len(STREAMS) + 1)
    if len(words) > MOST_WORDS or len(data) < len(STREAMS):
        raise BadAnswer("it does not have the form of an answer")
    try:
        said = json.loads(words, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("it is not JSON") from error
    if not isinstance(said, dict) or said.get("state") not in STATES:
        raise BadAnswer("it tells no state")
    trouble = _trouble(said.get("trouble"))
    found = _facts(said, trouble)
    for name, packed in zip(STREAMS, data, strict=False):
        try:
            found[name] = _stream(said.get(name), packed, request.get(f"{name}_offset") or 0, request["max_bytes"])
        except BadAnswer as error:
            trouble[name] = f"the host reported something impossible: {error}"
            found[name] = nothing(request.get(f"{name}_offset") or 0)
    return found


def nothing(offset: int) -> dict[str, Any]:
    """Return a part of an answer in which there is nothing new."""
    return {"data": b"", "offset": max(0, offset), "size": max(0, offset), "reset": False}


def unknown(words: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a look that could see nothing, for the reason `words`."""
    found = _facts({"state": "unknown"}, {"look": text(words, 300)})
    return {**found, **{name: nothing(request.get(f"{name}_offset") or 0) for name in STREAMS}}


def _trouble(said: Any) -> dict[str, str]:
    pairs = list(said.items())[:MOST_TROUBLES] if isinstance(said, dict) else []
    return {text(name, 40): text(words, 300) for name, words in pairs if isinstance(words, str)}


def _facts(said: Mapping[str, Any], trouble: dict[str, str]) -> dict[str, Any]:
    """All but the files. A claim that contradicts itself is none."""
    code, state = _whole(said.get("exit_code"), 255), said["state"]
    if (state == "succeeded" and code != 0) or (state == "failed" and not code):
        trouble["state"] = f"the host tells the state {state} with the exit code {code}, which is impossible"
        state, code = "unknown", None
    found = {
        "state": state,
        "exit_code": code if state in ("succeeded", "failed") else None,
        "pid": _whole(said.get("pid"), 1 << 31),
        "stopped": said.get("stopped") is True,
        "trouble": trouble,
        "checkpoints": _checkpoints(said.get("checkpoints"), trouble),
        "activity": _activity(said.get("activity")),
        "now": _span(said.get("now"), 1e11),
        "disk_free_gb": _span(said.get("disk_free_gb"), MOST_SIZE),
    }
    for name in ("started_at", "ended_at"):
        written = said.get(name)
        found[name] = written if isinstance(written, str) and _TIME.fullmatch(written) else None
    for name in ("heartbeat_age", "seconds", "lease_ends_in"):
        found[name] = _span(said.get(name), MOST_SECONDS)
    return found


def _span(value: Any, most: float) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= most else None


def _whole(value: Any, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def _checkpoints(said: Any, trouble: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    listed = said if isinstance(said, list) else []
    for record in listed[:MOST_FILES]:
        if not isinstance(record, dict):
            continue
        path, group, size = record.get("path"), record.get("group"), _whole(record.get("bytes"), MOST_SIZE)
        when = number(record.get("mtime"))
        if isinstance(path, str) and isinstance(group, str) and size is not None and when is not None:
            found.append({"path": path, "group": group, "bytes": size, "mtime": when})
    if len(found) < len(listed):
        trouble["checkpoints"] = f"{len(listed) - len(found)} of {len(listed)} that the host listed make no sense"
    return found


def _activity(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, dict):
        return None
    mark, gpus = said.get("output"), said.get("gpus")
    return {
        "cpu_seconds": _span(said.get("cpu_seconds"), 1e12),
        "io_bytes": _whole(said.get("io_bytes"), MOST_SIZE),
        "output": mark[:100] if isinstance(mark, str) else None,
        "gpus": [
            {name: _span(gpu.get(name), 1e9) for name in ("percent", "memory_mb")}
            for gpu in (gpus if isinstance(gpus, list) else [])[:MOST_GPUS]
            if isinstance(gpu, dict)
        ],
    }


def _stream(said: Any, packed: bytes, asked: int, most: int) -> dict[str, Any]:
    """Return the new bytes of one file, which must be those that were asked for."""
    if not isinstance(said, dict):
        raise BadAnswer("it says nothing of it")
    offset, size, reset = _whole(said.get("offset"), MOST_SIZE), _whole(said.get("size"), MOST_SIZE), said.get("reset")
    if offset is None or size is None or not isinstance(reset, bool) or offset > size:
        raise BadAnswer("invalid places")
    data = _unpacked(packed, most)
    start = offset - len(data)
    # From the end on, wherever that is; from the beginning of a file that became shorter; else from the asked place.
    fits = start >= 0 if asked < 0 else start == 0 and size < asked if reset else start == asked
    if not fits:
        raise BadAnswer(f"bytes {start} to {offset} of {size}, and those from {asked} on were asked for")
    return {"data": data, "offset": offset, "size": size, "reset": reset and asked > 0}


def _unpacked(packed: bytes, most: int) -> bytes:
    """Unpack a compressed text, of which an honest host has sent `most` bytes at most."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(packed, validate=True), most + 1)
    except (binascii.Error, zlib.error) as error:
        raise BadAnswer("text that cannot be unpacked") from error
    if len(data) > most or not unpacker.eof:
        raise BadAnswer(f"more than the {most} bytes that were asked for, or a part of them")
    return data
