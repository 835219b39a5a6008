# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make text from outside safe to show: on a terminal, in a message, on a page.

Text from a pod or a server can move a terminal's cursor, set its title, fill its clipboard, or reverse the direction
of a line. None of that reaches a person; the text itself is kept.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

#: Whole sequences that begin with ESC or its one-byte form: CSI (colours, cursor), OSC, DCS, SOS, PM, APC (titles,
#: links, clipboard) up to their end, and the short ones. A sequence without an end stops at the end of its line.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: The rest of C0 except line feed and tab, DEL, C1, and the marks that change the direction of the text after them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: Line ends other than a line feed.
_BREAKS = re.compile("\r\n|[\u2028\u2029\x85]")
#: The same characters as JSON escapes, after an even number of backslashes.
_ESCAPED = re.compile(
    r"\\(?:\\|([bfr]|u00(?:0[0-8b-f]|1[0-9a-f]|7f|[89][0-9a-f])|u061c|u200[ef]|u202[a-e]|u206[6-9]))", re.IGNORECASE
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Remove everything from a text that would control the terminal or page that shows it; lines are kept.

    A lone surrogate, which no terminal and no file accepts, becomes its escape.
    """
    text = _SEQUENCE.sub("", _BREAKS.sub("\n", text))
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", _CONTROL.sub("", text))


def clean_line(text: str) -> str:
    """Clean a text like ``clean`` and join its lines into one."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def clean_result(output: bytes) -> bytes:
    """Clean the JSON output of a module.

    JSON holds a control character as an escape, which Ansible would decode and show.
    """
    text = _CONTROL.sub("", output.decode(errors="surrogateescape"))
    return _ESCAPED.sub(lambda found: "" if found[1] else found[0], text).encode(errors="surrogateescape")


def cleaned(value: Any) -> Any:
    """Return a value with all text in it cleaned: in dictionaries (their keys too), lists, tuples and dataclasses."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {cleaned(name): cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [cleaned(each) for each in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(cleaned(each) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: getattr(value, part.name) for part in dataclasses.fields(value) if part.init}
        changed = {name: new for name, old in parts.items() if (new := cleaned(old)) is not old and new != old}
        return dataclasses.replace(value, **changed) if changed else value
    return value
