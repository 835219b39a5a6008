# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set or delete one variable of an account. Values are compared where they can be read, and never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core.errors import BadRequest
from .account import EnvVarStore
from .resource import MASK, NEW_MASK, ResourceResult

_NAME = re.compile(r"[A-Za-z_]\w*")
#: The characters of a value, from the description of Vast.ai's API.
_VALUE = re.compile(r"[A-Za-z0-9_.\-]+")


def ensure(
    held: EnvVarStore, name: str, value: str | None, *, renew: bool = False, check: bool = False
) -> ResourceResult:
    """Give the account this variable with this value, or delete the variable when the value is None.

    :param renew: also write a value that cannot be compared with the current one.
    :param check: change nothing; return what would be done.
    :raises BadRequest: for a name or value that the account does not accept.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name!r} is not a valid name of a variable; use letters, digits and underscores.")
    if value is not None and not _VALUE.fullmatch(value):
        raise BadRequest(
            f"The value of the variable {name} has characters that the account does not accept; it accepts only "
            "letters, digits, _, - and the dot. Copy such a value to the pod instead."
        )
    before = held.read()
    # The service stores names in capitals.
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
            warnings.append(
                f"The account does not show the value of {known}, so it was not changed. Set renew: true to write it."
            )
    if changed and not check:
        if value is None:
            held.delete(str(known))
        else:
            held.write(known or name, value, known is not None)
    done = "is already as requested"
    if changed:
        done = f"{'would be' if check else 'was'} {'set' if value else 'deleted'}"
    shown_after = to_result(after)
    if changed and value is not None and known is not None:
        shown_after[known] = NEW_MASK
    return ResourceResult(changed, to_result(before), shown_after, f"The variable {name} {done}.", (), tuple(warnings))


def to_result(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the names of variables in order, each with a mask in place of its value."""
    return dict.fromkeys(sorted(variables), MASK)
