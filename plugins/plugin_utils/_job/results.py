# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns by which a job names its results, in their final form."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from ...module_utils._core.patterns import BadPattern, to_regex

NAMES = ("artifacts", "checkpoints")
EVERYTHING = "**"
BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")


def settle(job: dict[str, Any], output: str) -> list[str]:
    """Make the patterns of a job relative to its output directory; a sentence for each that could never match."""
    problems = []
    for name in NAMES:
        settled = []
        for pattern in job.get(name) or []:
            try:
                settled.append(relative(str(pattern), output))
            except BadPattern as error:
                problems.append(f"train_{name}: {error}")
        job[name] = settled
    return problems


def relative(pattern: str, output: str) -> str:
    """Return a pattern relative to the output directory.

    :raises BadPattern: for one that could never match a file in it.
    """
    text = pattern.strip()
    if text.startswith("/"):
        text = _below(text, output)
    folder = "/" if text.endswith("/") else ""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    hint = _hint(text)
    if hint:
        raise BadPattern(f"The pattern {pattern!r} can match nothing: {hint}.")
    settled = f"{'/'.join(parts)}{folder}" if parts else text
    to_regex(settled)
    return settled


def _below(text: str, output: str) -> str:
    """Return what is left of an absolute pattern when it is seen from the output directory."""
    # Not normpath alone, which would let a pattern that leads out and back pass.
    if posixpath.normpath(text) == output:
        return EVERYTHING
    if text.startswith(f"{output}/"):
        return text[len(output) + 1 :].strip() or EVERYTHING
    raise BadPattern(
        f"The pattern {text!r} is a path of its own, while results are fetched from the output directory {output} "
        "({{ train_output_dir }}) alone: let the training write there, and name them relative to it."
    )


def _hint(text: str) -> str:
    """Why a pattern cannot be meant as it is written; empty when it can."""
    if text.startswith(("~", "$")):
        return "it is relative to the output directory, and no shell reads it, so that ~ and $ stand for themselves"
    if text.startswith("!"):
        return "exclusions are not supported; name the files that you want"
    if "\\" in text:
        return "directories are separated by /"
    if BRACES.search(text):
        return "braces stand for themselves; write a pattern for each of them"
    return ""
