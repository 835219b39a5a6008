# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP session towards one API: key, time-outs, repetition by verb, readable errors, no secrets."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._core import errors
from .._core.clock import Clock
from .._core.values import parse_json
from .exchange import LIBRARY_PROBLEM, Limits, TooLong, TooSlow, encoded, exchange, session
from .quota import RequestQuota, kind_of
from .retry import TOO_MANY, Attempts, Gate, Patience, asked_pause, clock_ahead, may_repeat

if LIBRARY_PROBLEM is None:
    import requests
    import requests.auth
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    _AuthBase: Any = requests.auth.AuthBase
else:
    _AuthBase = object

#: Sent with every request: the firewall in front of RunPod refuses the default agent of Python with a 403.
USER_AGENT = "podyard.gpu/0.1.0"
#: Characters of a server's own words that a message quotes: a sentence, not a page of HTML.
QUOTED = 400
#: Verbs after which it does not matter whether they were carried out: they can be repeated without harm.
SAFE = ("GET", "HEAD", "PUT", "DELETE")
#: An address that an answer named is asked again and again, so one try may be short.
FETCH_LIMITS = Limits(silence=10.0, total=20.0, body=8 * 1024 * 1024)
#: What to do about an answer of which the status says enough.
_HINTS: Mapping[int, str] = {
    401: " The API key was refused: check that it is complete, enabled and of this account.",
    410: " The service has given this up: look for a newer release of this collection.",
}


@dataclass(frozen=True)
class Response:
    """An answer. ``data`` is the decoded JSON, or None when the body is empty or no JSON; ``text`` the body,
    redacted.
    """

    status: int
    data: Any
    text: str
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        """The provider's id of this request."""
        return self.headers.get("x-request-id")


class _Bearer(_AuthBase):
    """Puts the key into the header. As an ``auth`` object, for requests would else overrule the header from a
    ``.netrc``.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class ApiSession:
    """Requests to one API.

    :param title: how messages call the API: ``RunPod``.
    :param base_url: scheme, host and port, without a path.
    :param key: the API key; it appears in no message.
    :param timeouts: seconds to connect and of silence; or ``limits``, all that one exchange may take.
    """

    def __init__(
        self,
        title: str,
        base_url: str,
        key: str,
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
        timeouts: tuple[float, float] | None = None,
        limits: Limits | None = None,
        budget: RequestQuota | None = None,
    ) -> None:
        if LIBRARY_PROBLEM is not None:
            raise errors.CloudError(
                f"The Python library requests (with urllib3) is needed and cannot be imported: {LIBRARY_PROBLEM}. "
                "Install it for the Python that runs this task."
            )
        self.title = title
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._clock = clock or Clock()
        self._patience = patience or Patience()
        self._limits = limits or Limits(*timeouts or ())
        self._session = self.fresh_session()
        self._urgent = False
        #: Seconds by which the service's clock is ahead of this machine's, by its last answer; None: it did not say.
        self.clock_ahead: float | None = None
        self.budget = budget or RequestQuota(title, self.base_url, key, clock=self._clock)

    def fresh_session(self) -> Any:
        """A ``requests.Session`` with the key and the agent; no repetition and no redirect of its own (see
        ``request``).
        """
        fresh = session()
        fresh.auth = _Bearer(self._key)
        fresh.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost" or host.startswith("127.") or host == "::1":
            # A proxy from the environment could never reach this machine's own loopback.
            fresh.trust_env = False
        return fresh

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        secrets: Iterable[str] = (),
        attempted: str,
        like: str | None = None,
        repeat: bool = True,
        gate: Gate | None = None,
    ) -> Response:
        """Send, repeat where that is harmless, and return the answer if its status is below 300.

        :param attempted: what was tried, for the message: ``rent the pod x``.
        :param secrets: values of this request that no message may repeat.
        :param like: the verb whose rules hold where the service's own one misleads: a search by POST is like GET, a
            create by PUT like POST.
        :param repeat: False for what would be out of date by the time of its repetition; then who asks repeats it.
        :param gate: held during each send of a POST or PATCH, at the end by the caller; free during every wait.
        :raises CloudError: the kind says what is known; Ambiguous when a POST or PATCH may have been executed.
        """
        attempts = Attempts(self._patience, self._clock, tell=self.budget.tell, gate=gate)
        verb, call = like or method, f"{method} {path}"
        while True:
            moment = self.admit(verb, attempted, attempts.waited, call)
            if gate is not None:
                gate.enter()
            try:
                answer = attempts.timed(self._send, method, path, body, query, secrets, verb)
            except errors.CloudError as error:
                sent = not isinstance(error, errors.Unreachable)
                again = repeat and may_repeat(verb, None, sent) and not isinstance(error, errors.BadAnswer)
                if again and attempts.pause(None, limited=False):
                    continue
                error.reword(f"Could not {attempted}: {error.message}")
                raise
            self.budget.learn(answer.status, answer.headers, moment)
            self.clock_ahead = clock_ahead(answer.headers, self.clock_ahead)
            if answer.status < 300:
                return answer
            limited, before = answer.status == TOO_MANY, attempts.waited
            pause = self.asked(call, answer) if limited else asked_pause(answer.headers)
            if repeat and may_repeat(verb, answer.status, sent=True) and attempts.pause(pause, limited):
                self.budget.held_back += attempts.waited - before if limited else 0.0
                continue
            raise self.refusal(verb, answer, attempted, attempts.waited)

    def asked(self, call: str, answer: Response) -> float | None:
        """Seconds after which a request (``VERB /path``) may be sent again that came too early; None: nobody knows."""
        return asked_pause(answer.headers)

    def admit(self, method: str, attempted: str, waited: float = 0.0, call: str = "") -> float:
        """Wait until the budget of all who use the key allows one more request; the moment of its sending.

        :param waited: seconds that this request has waited before.
        :raises RateLimited: when that would take longer than a person should be left without news.
        """
        moment, short = self.budget.take(kind_of(method, self._urgent), max(0.0, self._patience.budget - waited), call)
        if short:
            raise errors.RateLimited(
                f"Could not {attempted}: the requests that {self.title} allows are used up for another {short:.0f} s. "
                "Nothing was sent. Try again later, or with fewer runs at once.",
                retry_after=short,
            )
        return moment

    @contextlib.contextmanager
    def urgently(self) -> Iterator[None]:
        """Inside the block requests are for giving pods back, and looks are for proving it: they go before others."""
        before, self._urgent = self._urgent, True
        try:
            yield
        finally:
            self._urgent = before

    def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, Any] | None, secrets: Iterable[str], verb: str
    ) -> Response:
        """One send, one answer. :raises Unreachable, Ambiguous, ServerError: when there is no answer."""
        if verb in ("POST", "PATCH"):
            # A kept connection may have been closed by the server meanwhile, and then it would be unknown whether a
            # create arrived; a fresh one costs a tenth of a second.
            self._session.close()
        hidden = [self._key, *secrets]
        arguments = {
            "params": dict(query) if query else None,
            "data": None if body is None else encoded(body),
            "headers": None if body is None else {"Content-Type": "application/json"},
        }
        try:
            raw = exchange(self._session, self._limits, method, self.base_url + path, **arguments)
        except (requests.exceptions.RequestException, TooSlow) as error:
            # The thread of a slow one may still hold the session.
            self._session = self.fresh_session() if isinstance(error, TooSlow) else self._session
            raise self._no_answer(verb, error, hidden) from None
        except TooLong as error:
            kind = errors.BadAnswer if verb in SAFE else errors.Ambiguous
            raise kind(f"{self.title} answered more than can be read: {error}.") from None
        return decode(raw.status, raw.content, raw.headers, hidden)

    def _no_answer(self, method: str, error: Any, hidden: Iterable[str]) -> errors.CloudError:
        """The error for a request that got no answer: was it never sent, or is it unknown?"""
        words = redact(_innermost(error), hidden)
        if never_sent(error):
            return errors.Unreachable(
                f"no connection to {self.title} at {self.base_url} ({words}). Check the network and the API's address."
            )
        message = f"{self.title} gave no answer ({words})."
        return errors.ServerError(message) if method in SAFE else errors.Ambiguous(message)

    def refusal(self, method: str, answer: Response, attempted: str, waited: float = 0.0) -> errors.CloudError:
        """The error of the family that an answer of status 300 and above stands for."""
        words = detail(answer)
        facts: dict[str, Any] = {"status": answer.status, "request_id": answer.request_id, "detail": words}
        said = f"{self.title} answered {answer.status}: {words}" + (
            f" (request id {answer.request_id})" if answer.request_id else ""
        )
        status = answer.status
        lead = f"Could not {attempted}: {said}.{_HINTS.get(status, '')}"
        if status == 403 and not isinstance(answer.data, dict):
            return errors.Blocked(
                f"{lead} Something in front of the API refused the request, not the API itself.",
                code="not_json",
                **facts,
            )
        if status == TOO_MANY:
            pause = asked_pause(answer.headers)
            hint = f"Waited {waited:.0f} s already" + (
                f"; it asks for {pause:.0f} s more." if pause is not None else "."
            )
            return errors.RateLimited(
                f"{lead} {hint} Try again later, or with fewer runs at once.", retry_after=pause, **facts
            )
        if status >= 500:
            kind = errors.Ambiguous if method in ("POST", "PATCH") else errors.ServerError
            return kind(lead, **facts)
        if status == 403:
            return errors.Forbidden(f"{lead} The key has no right to this, or the account has none.", **facts)
        kinds: dict[int, type[errors.CloudError]] = {
            401: errors.AuthError,
            402: errors.PaymentRequired,
            404: errors.NotFound,
            # The server gave up reading the request; whether it acted on it is as unknown as after a time-out.
            408: errors.Ambiguous,
            409: errors.Conflict,
        }
        return kinds.get(status, errors.BadRequest)(lead, **facts)


def fetch_without_key(url: str, api_url: str) -> tuple[int, str]:
    """Status and text of one GET of an address that an answer named: no key, no redirect, and nothing unencrypted that
    was asked for encrypted. Status 0 when there is no answer.
    """
    if not url.startswith("https://") and not (url.startswith("http://") and api_url.startswith("http://")):
        return 0, ""
    fresh = session()
    fresh.headers["User-Agent"] = USER_AGENT
    # Neither a .netrc nor, on this machine's own loopback, a proxy has a say here.
    fresh.trust_env = not (urlsplit(url).hostname or "").startswith("127.")
    fresh.auth = lambda request: request
    try:
        answer = exchange(fresh, FETCH_LIMITS, "GET", url)
    except (requests.exceptions.RequestException, TooSlow, TooLong):
        return 0, ""
    return answer.status, answer.content.decode("utf-8", errors="replace")


def never_sent(error: Any) -> bool:
    """True when the connection was never made, so that nothing can have been executed. A failed TLS handshake counts as
    unknown: its error looks the same as one in the middle of an answer."""
    if isinstance(error, TooSlow):
        return not error.sent
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, (NewConnectionError, ConnectTimeoutError)):
            return True
        if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
            return True
        error = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, Exception)), None)
    return False


def _innermost(error: Any) -> str:
    """The plainest words in a nest of wrapped exceptions, without the library's object addresses."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, Exception)), error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    # urllib3 writes "<…HTTPConnection object at 0x…>: Failed to …" or "HTTPConnection(host=…): Failed to …".
    return text.split(">: ", 1)[-1].split("): ", 1)[-1] or type(error).__name__


def decode(status: int, content: bytes, headers: Mapping[str, str], hidden: Iterable[str] = ()) -> Response:
    """An answer made of what came over the wire. A body that is empty or no JSON is data None, never an exception."""
    text = content.decode("utf-8-sig", errors="replace")
    data = None
    if text.strip():
        try:
            data = parse_json(text)
        except ValueError:
            data = None
    return Response(status, data, redact(text, hidden), {name.lower(): value for name, value in headers.items()})


def redact(text: str, hidden: Iterable[str]) -> str:
    """``text`` with every secret of four characters and more replaced; shorter ones would garble innocent words."""
    for secret in sorted(set(hidden), key=len, reverse=True):
        if secret and len(secret) >= 4:
            text = text.replace(secret, "***")
            text = text.replace(json.dumps(secret, allow_nan=False)[1:-1], "***")
    return text


def detail(answer: Response) -> str:
    """The server's own words: of problem+json the detail and its list of errors (a missing property first, for the
    validator then lists all others as not allowed), of older services ``error`` or ``message``, else the text without
    its tags.
    """
    try:
        data = parse_json(answer.text)
    except ValueError:
        data = None
    if isinstance(data, dict):
        words = next((str(data[key]) for key in ("detail", "error", "message", "title") if data.get(key)), "")
        listed = data.get("errors")
        if isinstance(listed, list) and listed:
            entries = sorted((str(entry) for entry in listed), key=lambda entry: "missing property" not in entry)
            words = f"{words.rstrip('.')}: {'; '.join(entries)}" if words else "; ".join(entries)
        if words:
            return _cut(words)
    return _cut(_without_tags(answer.text)) or "nothing"


def _without_tags(text: str) -> str:
    """The readable text of an HTML page, or the text itself."""
    if "<" not in text:
        return text
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", text)
    return re.sub(r"<[^>]*>", " ", text)


def _cut(text: str) -> str:
    words = " ".join(text.split()).rstrip(".")
    return words if len(words) <= QUOTED else words[:QUOTED] + "…"
