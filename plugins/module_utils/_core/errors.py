# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that this collection's cloud code raises.

Every error carries a sentence for a person (its message) and, where the server answered, the facts of the answer. A
module turns it into ``fail_json``, an inventory plugin into a parser error: see ``_module.common.failure``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .shown import clean

#: The code of a WaitTimeout or PodLost that would happen on any other host too, so no other pod is rented.
EVERYWHERE = "everywhere"
#: The code of a WaitTimeout that the deadline of the whole call cut short: the pod's host is not to blame.
OVERDUE = "overdue"


class CloudError(Exception):
    """A failure of a request to a provider, or of the connection to it.

    :param message: one sentence: what failed, on which pod, the server's own words, and what to do.
    :param status: HTTP status of the answer; None when there was no answer.
    :param code: a short machine-readable word of the provider or of ours (``not_json``), if any.
    :param request_id: the provider's id of the request, for its support.
    :param detail: the server's own words, verbatim but without secrets.
    :param elsewhere: whether the next offer is worth a try; read only after a refused create. ``no``: the fault is in
        the request or the account. ``once``: the text does not say; when the next offer is refused likewise, it was
        the request. ``yes``: only this offer is unavailable.
    :param facts: JSON-able results that a caller needs besides the message (attempts, pods that still bill, …).
    """

    elsewhere = "no"
    #: The decoded body of the answer, for the driver only: it may hold secrets and is never shown.
    body: Mapping[str, Any] = {}
    #: The id of a pod that the provider made in spite of the error: it costs money and must be ended at once.
    made: str | None = None
    #: The pod as last read, with the place and price that the answer to its create lacked; None when it was not read.
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

        The code that catches an error knows more than the code that raised it: which option to change, what was given
        back.
        """
        if text.strip():
            self.reword(f"{self.message} {text.strip()}")

    def reword(self, message: str) -> None:
        """Replace the message, so that ``str(error)`` and the attribute ``message`` never differ."""
        self.message = clean(message)
        self.args = (self.message,)

    def to_result(self) -> dict[str, Any]:
        """Return the error as a JSON-able dict: kind (the name of the class), status, code, request_id, detail."""
        return {
            "kind": type(self).__name__,
            "status": self.status,
            "code": self.code,
            "request_id": self.request_id,
            "detail": self.detail,
        }


class Unreachable(CloudError):
    """No connection to the API was made, so nothing was executed."""


class Ambiguous(CloudError):
    """It is unknown whether the request was executed.

    Raised after a time-out, a dropped connection, a 5xx, or an unreadable answer to a create.
    """


class ServerError(CloudError):
    """The server failed (5xx) on a request that is safe to repeat, and all retries are spent."""


class BadAnswer(CloudError):
    """The server reported success with an answer that this collection cannot read."""


class BadRequest(CloudError):
    """The request is wrong: refused with 400, 413 or 422, or found wrong before it was sent."""


class AuthError(CloudError):
    """The API key is missing or was refused (401). Never read this as "nothing there"."""


class Forbidden(CloudError):
    """The key lacks the permission for this, or the account may not rent this GPU (403 with a JSON body)."""

    elsewhere = "yes"


class Blocked(CloudError):
    """Something in front of the API, such as a firewall, refused the request (403 that is not JSON)."""


class PaymentRequired(CloudError):
    """The balance does not cover the request (402)."""


class NotFound(CloudError):
    """The object does not exist (404)."""


class Conflict(CloudError):
    """The object's state does not allow this (409), or a name that must be unique matches two objects."""


class WrongContract(Conflict):
    """The provider made a contract of another kind than requested. Its machine is not to blame."""

    elsewhere = "yes"


class NoCapacity(CloudError):
    """Nothing of the requested kind can be rented there now."""

    elsewhere = "yes"


class TooExpensive(CloudError):
    """Every offer that fits, or the contract as read back, costs more than the cap."""

    elsewhere = "yes"


class RateLimited(CloudError):
    """The server limits the rate (429) and asks for a longer wait than the request may take. Nothing was executed.

    :param retry_after: seconds that the server asks to wait; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class WaitTimeout(CloudError):
    """A wait for a pod reached its deadline.

    :param stage: the last stage that the pod reached.
    """

    def __init__(self, message: str, *, stage: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.stage = stage


class PodLost(CloudError):
    """A pod will never become ready: it failed, is gone, or keeps restarting.

    :param stage: the last stage that the pod reached.
    """

    def __init__(self, message: str, *, stage: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.stage = stage


class NotProvedGone(CloudError):
    """A pod was ended but is still there, or could not be proved gone. It may still cost money."""


class Fenced(CloudError):
    """The run was given back while this process was about to rent a pod for it; no more pods may be rented for it."""
