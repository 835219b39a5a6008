# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that leaves this collection's cloud code.

Every error carries one sentence for a person (its message) and, where there was an answer, the facts of it. A module
turns it into ``fail_json``, an inventory plugin into a parser error: see ``_arguments.failure``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .shown import clean

#: The code of a WaitTimeout or PodLost that a pod on any other host would end with too: another is not rented for it.
EVERYWHERE = "everywhere"
#: The code of a WaitTimeout that was cut short by the deadline of the whole call: the pod's host is not to blame.
OVERDUE = "overdue"


class CloudError(Exception):
    """Something a provider, or the way to it, refused.

    :param message: one sentence: what failed, on which pod, the server's own words, and what to do.
    :param status: HTTP status of the answer, None when there was none.
    :param code: a short machine-readable word of the provider or of ours (``not_json``), if any.
    :param request_id: the provider's id of the request, for its support.
    :param detail: the server's own words, verbatim but without secrets.
    :param elsewhere: only read after a refused create: is it worth trying the next offer? ``no`` (it is the request or
        the account), ``once`` (the text does not say; if the next offer is refused likewise, it was the request),
        ``yes`` (this offer is not to be had).
    :param facts: JSON-able results that a caller wants beside the message (attempts, pods that still bill, …).
    """

    elsewhere = "no"
    #: The decoded body of the answer, for the driver only: it is shown nowhere, for it may hold secrets.
    body: Mapping[str, Any] = {}
    #: The id of a pod that the provider made all the same: it costs money and is to be ended at once.
    made: str | None = None
    #: The pod as it was last read, with the place and the price that its create did not tell; None: nobody read it.
    pod: Any = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        detail: str | None = None,
        elsewhere: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.reword(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.detail = detail
        if elsewhere is not None:
            self.elsewhere = elsewhere
        self.facts: dict[str, Any] = dict(facts or {})

    def add(self, text: str) -> None:
        """Append a sentence to the message, after one space; an empty text changes nothing.

        Whoever catches an error knows more than whoever raised it: which option to change, what was given back.
        """
        if text.strip():
            self.reword(f"{self.message} {text.strip()}")

    def reword(self, message: str) -> None:
        """Replace the message. ``str(error)`` and the attribute ``message`` never differ."""
        self.message = clean(message)
        self.args = (self.message,)

    def to_result(self) -> dict[str, Any]:
        """The error as a JSON-able dict: kind (name of the class), status, code, request_id, detail."""
        return {
            "kind": type(self).__name__,
            "status": self.status,
            "code": self.code,
            "request_id": self.request_id,
            "detail": self.detail,
        }


class Unreachable(CloudError):
    """The API was never reached: no connection was made, so nothing was executed."""


class Ambiguous(CloudError):
    """It is unknown whether the request was executed: time-out, dropped line, 5xx, or an unreadable answer to a
    create.
    """


class ServerError(CloudError):
    """The server failed (5xx) at something that changes nothing or may be repeated, after all repetitions."""


class BadAnswer(CloudError):
    """The server answered something that this collection cannot read, though it said that all went well."""


class BadRequest(CloudError):
    """The request is wrong: 400, 413, 422, or found wrong before it was sent."""


class AuthError(CloudError):
    """No API key, or one that was refused (401). Never to be read as "nothing there"."""


class Forbidden(CloudError):
    """The key has no right to this, or the account none to this GPU (403 with a JSON body)."""

    elsewhere = "yes"


class Blocked(CloudError):
    """Something in front of the API refused the request (403 that is not JSON, for instance by a firewall)."""


class PaymentRequired(CloudError):
    """The balance does not cover the request (402)."""


class NotFound(CloudError):
    """The object does not exist (404)."""


class Conflict(CloudError):
    """Not allowed in the object's present state (409), or two objects where one was meant."""


class WrongContract(Conflict):
    """A contract turned out to be of another kind than was asked for. Its machine is not to blame."""

    elsewhere = "yes"


class NoCapacity(CloudError):
    """Nothing of that kind can be rented there now."""

    elsewhere = "yes"


class TooExpensive(CloudError):
    """Everything that fits costs more than the cap, or a contract turned out to."""

    elsewhere = "yes"


class RateLimited(CloudError):
    """429, and waiting as long as the server asks is more than the budget allows. Nothing was executed.

    :param retry_after: seconds the server wants us to wait, None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class WaitTimeout(CloudError):
    """A wait ran out of time.

    :param stage: the last stage that was reached.
    """

    def __init__(self, message: str, *, stage: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.stage = stage


class PodLost(CloudError):
    """A pod that was waited for can never get ready: failed, gone, or restarting again and again.

    :param stage: the last stage that was reached.
    """

    def __init__(self, message: str, *, stage: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.stage = stage


class NotProvedGone(CloudError):
    """A pod was told to end, and is still there or could not be proved absent. It may still cost money."""


class Fenced(CloudError):
    """The run was given back while this process was about to rent for it: nothing may be rented for it any more."""
