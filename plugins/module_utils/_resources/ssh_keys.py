# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys that an account holds as one list: ours in it or out of it, and never one of others lost.

A write replaces the whole list, and two writers at once can each undo the other's. So a write is followed by a look,
when both can have finished, and what was undone is done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core import errors
from .._core.clock import Clock
from .._core.public_keys import fingerprint, is_public_key
from .account import SshKeyList
from .resource import ResourceResult

#: An entry of such a list, as RunPod's description of REST v2 asks for it.
#: Seconds between a write and the look at what became of it: others that read before the write need about one second
#: between their own reading and writing, so they are done by then. Spread, so that two do not repeat in step.
SETTLE = (1.5, 3.0)
#: Writes in all; that many others at once are not an accident.
WRITES = 5


def read(keys: SshKeyList) -> list[dict[str, Any]]:
    """Every key, as {"key", "type", "fingerprint", "comment"}."""
    return [described(line) for line in keys.read()]


def ensure(
    keys: SshKeyList, wanted: Sequence[str], state: str, *, check: bool = False, clock: Clock | None = None
) -> ResourceResult:
    """Make sure that these keys are in the list (``present``) or not (``absent``), and all others stay as they are.

    :raises CloudError: one sentence.
    """
    ours = {identity(line): line for line in map(checked, wanted)}
    before = keys.read()
    after = merged(before, ours, state)
    known = {identity(line): line for line in before}
    changes = tuple(title(known.get(id_, line)) for id_, line in ours.items() if differs(before, id_, state))
    if not changes:
        message = f"The SSH keys of the account are as wanted; it has {len(before)}."
        return ResourceResult(False, to_result(before), to_result(before), message)
    warnings: list[str] = []
    if not check:
        after, warnings = _write_until_true(keys, before, ours, state, clock or Clock())
    done = f"{'would be' if check else 'were'} {'added' if state == 'present' else 'removed'}"
    message = f"SSH keys of the account that {done}: {', '.join(changes)}. It then has {len(after)}."
    return ResourceResult(True, to_result(before), to_result(after), message, changes, tuple(warnings))


def _write_until_true(
    keys: SshKeyList, before: Sequence[str], ours: Mapping[tuple[str, str], str], state: str, clock: Clock
) -> tuple[list[str], list[str]]:
    """Write, look, and repair what another writer undid; the list at the end, and what there is to say of it.

    If our own change was undone, it was by one who had read the list before our write, and who may have dropped keys
    of others in the same way: those are put back. If it was not, a key that is missing was taken away by one who knew
    the list, and that stays so.
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
                warnings.append(f"Somebody else removed {titles(lost)} at the same time; that was left so.")
            return found, warnings
        warnings.append(
            "Somebody else wrote the SSH keys of the account at the same time and undid the change of "
            f"{titles(undone)}; it was made again"
            + (f", and {titles(lost)}, dropped by that writer too, put back." if lost else ".")
        )
        target = merged([*found, *lost], ours, state)
    if failure is not None:
        raise failure
    raise errors.Conflict(
        f"The SSH keys of the account were written {WRITES} times, and each time somebody else undid it. Find out what "
        "else writes them, stop it, and run the task again."
    )


def _put(keys: SshKeyList, lines: Sequence[str]) -> errors.CloudError | None:
    """Replace the whole list; return an error when that failed or its outcome is unknown.

    Then a look decides, which waits as long as the service has asked for, and the next write starts from what it shows.

    :raises BadRequest: naming entries of others for which the service may refuse it.
    """
    try:
        keys.write(lines)
    except (errors.Ambiguous, errors.RateLimited, errors.Unreachable) as error:
        return error
    except errors.BadRequest as error:
        odd = [line for line in lines if not is_public_key(line)]
        if odd:
            error.add(
                f"The account already holds {len(odd)} entries that are not SSH keys ({titles(odd)}), which are never "
                "dropped without being asked: remove them in the provider's console, then run the task again."
            )
        raise
    return None


def checked(line: str) -> str:
    """One line of a public key file, without blanks around it.

    :raises BadRequest: when it is none.
    """
    line = " ".join(line.split())
    if "PRIVATE KEY" in line:
        raise errors.BadRequest("A private key was given in place of a public one: give the file that ends in .pub.")
    words = line.split(" ")
    if not is_public_key(line) or fingerprint(words[1]) is None:
        raise errors.BadRequest(
            f"{line[:40]!r} (option key or path) is not an SSH public key, which is a line of type, key and comment, "
            "as in the file that ends in .pub: ssh-ed25519 AAAA… me@example.com."
        )
    return line


def identity(line: str) -> tuple[str, str]:
    """Type and blob; what is no key is itself."""
    words = line.split()
    return (words[0], words[1]) if len(words) > 1 else (line, "")


def differs(lines: Iterable[str], wanted: tuple[str, str], state: str) -> bool:
    """Return True when the key's presence is not what ``state`` says."""
    return (wanted in set(map(identity, lines))) == (state == "absent")


def merged(lines: Sequence[str], ours: Mapping[tuple[str, str], str], state: str) -> list[str]:
    """Return the list with ours in it, or without them; all others as they were."""
    if state == "absent":
        return [line for line in lines if identity(line) not in ours]
    known = set(map(identity, lines))
    return [*lines, *(line for id_, line in ours.items() if id_ not in known)]


def described(line: str) -> dict[str, Any]:
    """Return an entry in its parts; type and fingerprint are None when it is no key."""
    words = line.split(None, 2)
    print_ = fingerprint(words[1]) if len(words) > 1 else None
    return {
        "key": line,
        "type": words[0] if print_ else None,
        "fingerprint": print_,
        "comment": words[2] if print_ and len(words) > 2 else None,
    }


def title(line: str) -> str:
    """Return a key in a sentence: its comment, or its fingerprint."""
    parts = described(line)
    return parts["comment"] or parts["fingerprint"] or repr(line[:40])


def titles(lines: Iterable[str]) -> str:
    """Keys in a sentence."""
    return ", ".join(map(title, lines))


def to_result(lines: Sequence[str]) -> dict[str, Any]:
    """Return the list as a result and as one side of a diff."""
    return {"keys": list(lines)}
