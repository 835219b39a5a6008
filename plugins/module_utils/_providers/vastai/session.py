# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Vast.ai: which may be sent when, and what its many ways to say no mean.

Source: Vast.ai's description of its API, its own command line tool, and what clients saw of the running service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._core import errors
from ..._core.units import duration
from ..._core.values import mapping, parse_json, text
from ..._http.pacing import PaceRule, RequestPacer
from ..._http.retry import TOO_MANY, asked_pause
from ..._http.session import ApiSession, Response, fetch_without_key, redact

TITLE = "Vast.ai"
#: Seconds between two requests of one kind: the documented thresholds. Of the search ten a minute are allowed.
PACES = (
    PaceRule("create", r"PUT /api/v0/asks/\d+/?", 4.5),
    PaceRule("list", r"GET /api/v1/instances/?", 1.0),
    PaceRule("search", r"POST /api/v0/(bundles|volumes/search)/?", 60.0, calls=10),
    PaceRule("show", r"GET /api/v0/instances/\d+/?", 2.0),
    PaceRule("manage", r"PUT /api/v0/instances/\d+/?", 1.0),
    PaceRule("destroy", r"DELETE /api/v0/instances/\d+/?", 3.0),
    PaceRule("bid", r"PUT /api/v0/instances/bid_price/\d+/?", 5.5),
    PaceRule("reboot", r"PUT /api/v0/instances/(reboot|recycle|update_template)/\d+/?", 1.0),
    PaceRule("new key", r"POST /api/v0/ssh/?", 1.0),
    PaceRule("key", r"(PUT|DELETE) /api/v0/ssh/\d+/?", 1.0),
    PaceRule("attach key", r"POST /api/v0/instances/\d+/ssh/?", 1.0),
    PaceRule("detach key", r"DELETE /api/v0/instances/\d+/ssh/\d+/?", 2.0),
    PaceRule("volumes", r"(PUT|DELETE|GET) /api/v0/volumes/?", 5.5),
    PaceRule("templates", r"\S+ /api/v[01]/template/?", 3.0),
    PaceRule("variables", r"(POST|PUT|DELETE) /api/v0/secrets/?", 3.0),
    PaceRule("list variables", r"GET /api/v0/secrets/?", 5.0),
    PaceRule("charges", r"GET /api/v0/charges/?", 1.0),
    PaceRule("invoices", r"GET /api/v1/invoices/?", 3.0),
)
#: Seconds between two looks for a text that fills with a delay, as the vendor's tool has it.
FETCH_PAUSE = 0.3
#: Seconds after which a refusal for the day may be over: longer than any wait of ours.
NEXT_DAY = 86_400.0
_THRESHOLD = re.compile(r"threshold\s*=\s*(\d+(?:\.\d+)?)")
_AUTH = re.compile(
    r"auth_error|invalid user key|session expired|two factor authentication|requires login", re.IGNORECASE
)
_GONE_ASK = re.compile(r"no_such_ask|/3603\b|/3907\b|no longer available", re.IGNORECASE)
_CREDIT = re.compile(r"insufficient_credit|lacks credit|missing_billing", re.IGNORECASE)
_UNAVAILABLE = re.compile(r"resources_unavailable|resources are currently unavailable", re.IGNORECASE)
_NO_INSTANCE = re.compile(r"no_such_instance|no_such_ssh_key|\bnot_found\b", re.IGNORECASE)


def words_of(answer: Response) -> tuple[str | None, str]:
    """Return the code of a refusal and its text, whether the body is JSON of any kind or plain text."""
    try:
        # The text has no secrets in it any more, the data has.
        data = mapping(parse_json(answer.text))
    except ValueError:
        data = {}
    code = text(data.get("error"))
    said = next((found for key in ("msg", "message", "detail") if (found := text(data.get(key)))), None)
    if said is None:
        said = code or " ".join(answer.text.split()) or "nothing"
    return code, said.rstrip(".")[:400]


class VastSession(ApiSession):
    """One session towards Vast.ai.

    :param scale: a factor on the pauses between requests.
    """

    def __init__(self, api_url: str, api_key: str, *, scale: float = 1.0, **kwargs: Any) -> None:
        self.turns = kwargs.pop("turns", None) or RequestPacer(
            TITLE, api_url.rstrip("/"), api_key, PACES, clock=kwargs.get("clock"), scale=scale
        )
        super().__init__(TITLE, api_url, api_key, budget=self.turns, **kwargs)

    def request(self, method: str, path: str, **kwargs: Any) -> Response:
        """See ApiSession. An answer of 200 that says ``success: false`` is a refusal like any other."""
        answer = super().request(method, path, **kwargs)
        if mapping(answer.data).get("success") is False:
            raise self.refusal(kwargs.get("like") or method, answer, kwargs["attempted"])
        return answer

    def asked(self, call: str, answer: Response) -> float | None:
        """Return seconds before the same may be sent again.

        That is what the server asks for, else the pause of that kind; all who share it keep it too. A quota for the day
        is not waited for.
        """
        code, said = words_of(answer)
        if code == "search_quota_exceeded":
            return NEXT_DAY
        told = _THRESHOLD.search(said)
        threshold = float(told[1]) if told else None
        known = self.turns.pause_of(call)
        seconds = asked_pause(answer.headers)
        if seconds is None:
            seconds = max((each for each in (threshold, known) if each is not None), default=None)
        if seconds is not None:
            self.turns.refused(call, seconds, threshold)
        return seconds

    def fetch(self, url: str, deadline: float, attempted: str) -> str:
        """Return the text at an address that an answer named.

        The address belongs to somebody else, so the key does not go there, and it fills with a delay.

        :raises CloudError: when there is none within ``deadline`` seconds.
        """
        begun = self._clock.monotonic()
        while True:
            status, body = fetch_without_key(url, self.base_url)
            if status == 200:
                return redact(body, [self._key])
            if self._clock.monotonic() - begun >= deadline:
                raise errors.ServerError(f"Could not {attempted}: it was not there after {duration(deadline)}.")
            self._clock.sleep(FETCH_PAUSE)

    def refusal(self, method: str, answer: Response, attempted: str, waited: float = 0.0) -> errors.CloudError:
        """See ApiSession."""
        code, said = words_of(answer)
        error = self._refusal(method, answer, attempted, waited, code, said)
        error.body = mapping(answer.data)
        return error

    def _refusal(
        self, method: str, answer: Response, attempted: str, waited: float, code: str | None, said: str
    ) -> errors.CloudError:
        status, both = answer.status, f"{code or ''} {said}"
        shown = said if code is None or code in said else f"{code}: {said}"
        lead = f"Could not {attempted}: {TITLE} answered {status}: {shown}."
        facts: dict[str, Any] = {"status": status, "code": code, "detail": shown}
        if status == 401 or (status in (403, 404) and (_AUTH.search(both) or (status == 403 and code is None))):
            return _refused_key(lead, said, facts)
        if status == TOO_MANY:
            return self._too_many(lead, code, waited, answer.headers, facts)
        if status >= 500:
            return (errors.Ambiguous if method in ("POST", "PATCH") else errors.ServerError)(lead, **facts)
        if _GONE_ASK.search(both):
            return errors.NoCapacity(lead, **facts)
        if _CREDIT.search(both):
            return errors.PaymentRequired(f"{lead} Top up the account on the billing page.", **facts)
        if "spend_rate_limit" in both:
            return errors.PaymentRequired(
                f"{lead} New accounts may spend only so much an hour: verify the e-mail address, rent something "
                "cheaper, or wait.",
                **facts,
            )
        if _UNAVAILABLE.search(both):
            return errors.NoCapacity(lead, **facts)
        if status == 404 or _NO_INSTANCE.search(both):
            return errors.NotFound(lead, **facts)
        if status == 410:
            return errors.BadAnswer(
                f"{lead} The provider no longer offers this request: look for a newer release of this collection.",
                **facts,
            )
        kinds: Mapping[int, type[errors.CloudError]] = {
            402: errors.PaymentRequired,
            403: errors.Forbidden,
            408: errors.Ambiguous,
            409: errors.Conflict,
        }
        return kinds.get(status, errors.BadRequest)(lead, **facts)

    def _too_many(
        self, lead: str, code: str | None, waited: float, headers: Mapping[str, str], facts: dict[str, Any]
    ) -> errors.RateLimited:
        if code == "search_quota_exceeded":
            advice = "The searches of the day are used up; they start again at midnight UTC. Nothing was retried."
            return errors.RateLimited(f"{lead} {advice}", retry_after=NEXT_DAY, **facts)
        return errors.RateLimited(
            f"{lead} Waited {duration(waited)} already. Try again later, or with fewer runs at the same time.",
            retry_after=asked_pause(headers),
            **facts,
        )


def _refused_key(lead: str, said: str, facts: dict[str, Any]) -> errors.AuthError:
    """Return the error for a key that is not accepted, with what to do about it."""
    lowered = said.lower()
    if "two factor" in lowered or "session expired" in lowered:
        advice = "Log in again with a second factor (vastai tfa login), or use an API key of the account."
    elif "invalid user key" in lowered or "requires login" in lowered:
        advice = "The API key was refused: check that it is complete, not revoked, and of this account."
    else:
        advice = (
            "The API key was refused, or lacks the right to this: renting needs misc, instance_read, instance_write "
            "and user_read."
        )
    return errors.AuthError(f"{lead} {advice}", **facts)
