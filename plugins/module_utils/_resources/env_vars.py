# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One variable of an account: set or not. Values are compared where they can be read, and shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core.errors import BadRequest
from .account import EnvVarStore
from .resource import MASK, NEW_MASK, ResourceResult

_NAME = re.compile(r"[A-Za-z_]\w*")
#: What a value may consist of, as the description of Vast.ai's API has it.
_VALUE = re.compile(r"[A-Za-z0-9_.\-]+")


def ensure(
    held: EnvVarStore, name: str, value: str | None, *, renew: bool = False, check: bool = False
) -> ResourceResult:
    """Make sure that the account has this variable with this value, or (for None) does not have it.

    :param renew: write a value that cannot be compared.
    :raises BadRequest: for an impossible name or value.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name!r} cannot be the name of a variable; use letters, digits and underscores.")
    if value is not None and not _VALUE.fullmatch(value):
        raise BadRequest(
            f"The value of the variable {name} has characters that the account cannot hold; it takes letters, digits, "
            "_, - and . only. Copy such values to the pod instead."
        )
    before = held.read()
    # The service writes names in capitals.
    known = next((each for each in before if each.upper() == name.upper()), None)
    after = {each: found for each, found in before.items() if each != known}
    warnings: list[str] = []
    if value is None:
        changed = known is not None
    else:
        readable = known is not None and before[known] is not None
        changed = known is None or (before[known] != value if readable else renew)
        after[known or name.upper()] = value
        if known is not None and not readable and not renew:
            warnings.append(f"The value of {known} is not shown, so it was left as it is; renew: true writes it.")
    if changed and not check:
        if value is None:
            held.delete(str(known))
        else:
            held.write(known or name, value, known is not None)
    word = "is as it was wanted" if not changed else f"{'would be' if check else 'was'} {'set' if value else 'deleted'}"
    shown_after = to_result(after)
    if changed and value is not None and known is not None:
        shown_after[known] = NEW_MASK
    return ResourceResult(changed, to_result(before), shown_after, f"The variable {name} {word}.", (), tuple(warnings))


def to_result(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Names only."""
    return dict.fromkeys(sorted(variables), MASK)
