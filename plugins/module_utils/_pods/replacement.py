# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether another pod is rented after one was refused, or turned out to be bad. Pure functions of plain data.

It does not matter how a bad host was found out: the wait for the pod, its contract, or a check on the pod itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._core import errors

#: What no other offer can mend, of whatever provider: a key that is refused is never "nothing there", and of what is
#: unknown or still there another one must not be rented.
FINAL = (errors.AuthError, errors.Fenced, errors.Ambiguous, errors.NotProvedGone)
#: A refusal that does not say whether the offer or the request is at fault is put down to the offer once a provider.
UNCLEAR = 1
#: What is left out from now on: the host, this one offer, an offer that was refused, or the whole provider.
HOST, OFFER, REFUSED, PROVIDER = "host", "offer", "refused", "provider"


@dataclass(frozen=True)
class Fault:
    """Say what a failed attempt was due to.

    :param blame: HOST, OFFER, REFUSED or PROVIDER, and what is left out from now on.
    :param given_up: a pod was rented and given up, which counts against the limit of attempts.
    :param everywhere: a pod on any other host would end the same way, or the time for the whole call is over.
    """

    blame: str
    given_up: bool = False
    everywhere: bool = False


def fault_of(error: errors.CloudError, *, made: bool, unclear: int, strict: bool) -> Fault:
    """Tell what a failed attempt was due to.

    :param made: a pod was made, and was given back.
    :param unclear: refusals of this provider so far, this one included, that do not say what was wrong.
    :param strict: any contract that is not as it was asked for counts as a pod that was given up; else only one of
        another kind does, and one that costs too much is an offer that was refused.
    """
    if isinstance(error, (errors.WaitTimeout, errors.PodLost)):
        return Fault(HOST, given_up=True, everywhere=error.code in (errors.EVERYWHERE, errors.OVERDUE))
    broken = (errors.TooExpensive, errors.Conflict) if strict else (errors.WrongContract,)
    if made and isinstance(error, broken):
        return Fault(OFFER, given_up=True, everywhere=error.code in (errors.EVERYWHERE, errors.OVERDUE))
    if error.elsewhere != "no" and unclear <= UNCLEAR:
        return Fault(REFUSED)
    # It is the request or the account (a second text that does not say why is as good as one that does): of that the
    # other providers know nothing.
    return Fault(PROVIDER)


def replaces_host(attempts_left: int, seconds_left: float, *, everywhere: bool = False) -> bool:
    """Tell whether the pod of a bad host is replaced by one on another host.

    :param attempts_left: pods that may still be rented.
    :param seconds_left: of the time in which a pod must be found; infinity where there is no limit.
    :param everywhere: see ``Fault``.
    """
    return not everywhere and attempts_left > 0 and seconds_left > 0
