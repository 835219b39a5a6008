# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add SSH keys to the one list that an account holds, or remove them, without losing a key of others.

A write replaces the whole list, and two writers at the same time can undo each other's change. So each write is
followed by a look, when both must have finished, and a change that was undone is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core import errors
from .._core.clock import Clock
from .._core.public_keys import fingerprint, identity, is_public_key
from .account import SshKeyList
from .resource import ResourceResult

#: Seconds between a write and the look at its result. A writer that had read the list before our write needs about one
#: second between its own read and write, so it is done by then. Random, so that two writers do not repeat in step.
SETTLE = (1.5, 3.0)
#: The most writes: a change that is undone so often is not undone by accident.
WRITES = 5


def read(keys: SshKeyList) -> list[dict[str, Any]]:
    """Return every key as {"key", "type", "fingerprint", "comment"}."""
    return [describe(line) for line in keys.read()]


def ensure(
    keys: SshKeyList, wanted: Sequence[str], state: str, *, check: bool = False, clock: Clock | None = None
) -> ResourceResult:
    """Add these keys to the list (state ``present``) or remove them (``absent``), and leave all others unchanged.

    :param wanted: lines of public key files.
    :param check: change nothing; return what would be done.
    :raises BadRequest: for a line that is not a public key, and when the service refuses the list.
    :raises Conflict: when another writer keeps undoing the change.
    """
    ours = {identity(line): line for line in map(checked, wanted)}
    before = keys.read()
    after = merged(before, ours, state)
    known = {identity(line): line for line in before}
    changes = tuple(title(known.get(id_, line)) for id_, line in ours.items() if differs(before, id_, state))
    if not changes:
        message = f"The SSH keys of the account are already as requested. Keys in the account: {len(before)}."
        return ResourceResult(False, to_result(before), to_result(before), message)
    warnings: list[str] = []
    if not check:
        after, warnings = _write_until_true(keys, before, ours, state, clock or Clock())
    done = f"{'that would be ' if check else ''}{'added to' if state == 'present' else 'removed from'}"
    message = f"SSH keys {done} the account: {', '.join(changes)}. Keys in the account afterwards: {len(after)}."
    return ResourceResult(True, to_result(before), to_result(after), message, changes, tuple(warnings))


def _write_until_true(
    keys: SshKeyList, before: Sequence[str], ours: Mapping[tuple[str, str], str], state: str, clock: Clock
) -> tuple[list[str], list[str]]:
    """Write, look, and repair what another writer undid.

    If our own change was undone, the other writer had read the list before our write, and may have dropped other keys
    in the same way: those are added back. If our change was kept, whoever removed a missing key knew the list, and the
    key stays removed.

    :returns: the list at the end, and warnings for a person.
    """
    warnings: list[str] = []
    target = merged(before, ours, state)
    for _write in range(WRITES):
        failure = _put(keys, target)
        clock.sleep(clock.spread(*SETTLE))
        found = keys.read()
        undone = [line for id_, line in ours.items() if differs(found, id_, state)]
        if undone and failure is not None:
            target = merged(found, ours, state)
            continue
        lost = [line for line in target if identity(line) not in {*ours, *map(identity, found)}]
        if not undone:
            if lost:
                warnings.append(
                    f"Another writer removed {titles(lost)} from the account at the same time; that was not undone."
                )
            return found, warnings
        warnings.append(
            "Another writer changed the SSH keys of the account at the same time and undid the change of "
            f"{titles(undone)}; the change was made again"
            + (f", and the keys that the other writer dropped were added back: {titles(lost)}." if lost else ".")
        )
        target = merged([*found, *lost], ours, state)
    if failure is not None:
        raise failure
    raise errors.Conflict(
        f"The SSH keys of the account were written {WRITES} times, and each time another writer undid the change. Find "
        "out what else writes them, stop it, and run the task again."
    )


def _put(keys: SshKeyList, lines: Sequence[str]) -> errors.CloudError | None:
    """Replace the whole list.

    :returns: None; or the error, when the list was not written or may not have been. The caller then looks, after the
        pause that the service asks for, and starts the next write from what it sees.
    :raises BadRequest: when the service refuses the list. It names existing entries that may be the reason.
    """
    try:
        keys.write(lines)
    except (errors.Ambiguous, errors.RateLimited, errors.Unreachable) as error:
        return error
    except errors.BadRequest as error:
        odd = [line for line in lines if not is_public_key(line)]
        if odd:
            error.add(
                f"The account already has entries that are not SSH keys ({len(odd)}: {titles(odd)}). This task "
                "does not remove them: remove them in the provider's console, then run the task again."
            )
        raise
    return None


def checked(line: str) -> str:
    """Return a line of a public key file with single blanks.

    :raises BadRequest: when it is not a public key.
    """
    line = " ".join(line.split())
    if "PRIVATE KEY" in line:
        raise errors.BadRequest("This is a private key. Give the public one, from the file that ends in .pub.")
    words = line.split(" ")
    if not is_public_key(line) or fingerprint(words[1]) is None:
        raise errors.BadRequest(
            f"{line[:40]!r} (option key or path) is not an SSH public key. A public key is one line of type, key and "
            "comment, as in the file that ends in .pub: ssh-ed25519 AAAA… me@example.com."
        )
    return line


def differs(lines: Iterable[str], wanted: tuple[str, str], state: str) -> bool:
    """Return True when the key is missing from the lines in state ``present``, or among them in state ``absent``."""
    return (wanted in set(map(identity, lines))) == (state == "absent")


def merged(lines: Sequence[str], ours: Mapping[tuple[str, str], str], state: str) -> list[str]:
    """Return the list with our keys added (state ``present``) or removed (``absent``), all others unchanged."""
    if state == "absent":
        return [line for line in lines if identity(line) not in ours]
    known = set(map(identity, lines))
    return [*lines, *(line for id_, line in ours.items() if id_ not in known)]


def describe(line: str) -> dict[str, Any]:
    """Return an entry in its parts; type, fingerprint and comment are None when it is not a key."""
    words = line.split(None, 2)
    print_ = fingerprint(words[1]) if len(words) > 1 else None
    return {
        "key": line,
        "type": words[0] if print_ else None,
        "fingerprint": print_,
        "comment": words[2] if print_ and len(words) > 2 else None,
    }


def title(line: str) -> str:
    """Return what a sentence calls a key: its comment or its fingerprint."""
    parts = describe(line)
    return parts["comment"] or parts["fingerprint"] or repr(line[:40])


def titles(lines: Iterable[str]) -> str:
    """Return what a sentence calls several keys."""
    return ", ".join(map(title, lines))


def to_result(lines: Sequence[str]) -> dict[str, Any]:
    """Return the list as a result and one side of a diff."""
    return {"keys": list(lines)}
