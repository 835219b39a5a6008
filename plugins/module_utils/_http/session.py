# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk HTTP to one API: the key, time-outs, retries by verb, and readable errors without secrets."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._core import errors
from .._core.clock import Clock
from .._core.units import duration
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

#: Sent with every request: the firewall in front of RunPod answers Python's default agent with a 403.
USER_AGENT = "podyard.gpu/0.1.0"
#: How many characters of the server's own words a message quotes: a sentence, not a page of HTML.
QUOTED = 400
#: Verbs that can be repeated without harm, so that it does not matter whether a request was carried out.
SAFE = ("GET", "HEAD", "PUT", "DELETE")
#: An address that an answer named is polled, so one try may be short.
FETCH_LIMITS = Limits(silence=10.0, total=20.0, body=8 * 1024 * 1024)
#: What to do, where the status alone says it.
_HINTS: Mapping[int, str] = {
    401: " The API key was refused: check that it is complete, enabled and belongs to this account.",
    410: " The provider no longer offers this request: look for a newer release of this collection.",
}


@dataclass(frozen=True)
class Response:
    """An answer.

    :param data: the decoded JSON; None when the body is empty or is not JSON.
    :param text: the body, with secrets replaced.
    :param headers: by names in lower case.
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
    """Puts the key into the header.

    It is an ``auth`` object because requests would otherwise replace the header by one from a ``.netrc``.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class ApiSession:
    """Requests to one API.

    :param title: what messages call the API: ``RunPod``.
    :param base_url: scheme, host and port, without a path.
    :param key: the API key; it appears in no message.
    :param timeouts: seconds to connect and of silence.
    :param limits: everything that one exchange may take, in place of ``timeouts``.
    :raises CloudError: when the library requests cannot be imported.
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
                "This task needs the Python library requests (with urllib3), which cannot be imported: "
                f"{LIBRARY_PROBLEM}. Install it for the Python interpreter that runs this task."
            )
        self.title = title
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._clock = clock or Clock()
        self._patience = patience or Patience()
        self._limits = limits or Limits(*timeouts or ())
        self._session = self.fresh_session()
        self._urgent = False
        #: Seconds by which the service's clock is ahead of this machine's, from its last answer; None when unknown.
        self.clock_ahead: float | None = None
        self.budget = budget or RequestQuota(title, self.base_url, key, clock=self._clock)

    def fresh_session(self) -> Any:
        """Make a ``requests.Session`` with the key and the agent, which by itself repeats nothing (see ``request``)."""
        fresh = session()
        fresh.auth = _Bearer(self._key)
        fresh.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost" or host.startswith("127.") or host == "::1":
            # A proxy from the environment could not reach this machine's own loopback.
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
        """Send a request, repeat it where that is harmless, and return the answer if its status is below 300.

        :param attempted: what is tried, for messages, as a verb phrase: ``rent the pod x``.
        :param secrets: values of this request that no message may repeat.
        :param like: the verb whose rules apply where the service's own verb misleads: a search by POST is like a GET,
            a create by PUT like a POST.
        :param repeat: False for a request that would be out of date by its repetition; the caller repeats it then.
        :param gate: entered before each send and left before each wait. After the last send it stays held, and the
            caller leaves it.
        :raises CloudError: the class says what is known: Ambiguous when a POST or PATCH may have been executed.
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
        """Return the seconds after which a request that came too early may be sent again; None when unknown.

        :param call: ``VERB /path`` of the request.
        """
        return asked_pause(answer.headers)

    def admit(self, method: str, attempted: str, waited: float = 0.0, call: str = "") -> float:
        """Wait until the request quota, which all users of the key share, allows one more request.

        :param waited: seconds that this request has waited before.
        :returns: the moment of sending, for ``RequestQuota.learn``.
        :raises RateLimited: when the wait would be longer than a person should be left without news.
        """
        moment, short = self.budget.take(kind_of(method, self._urgent), max(0.0, self._patience.budget - waited), call)
        if short:
            raise errors.RateLimited(
                f"Could not {attempted}: the request quota of {self.title} is used up for another "
                f"{duration(math.ceil(short))}. Nothing was sent. Try again later, or with fewer runs at the same "
                "time.",
                retry_after=short,
            )
        return moment

    @contextlib.contextmanager
    def urgently(self) -> Iterator[None]:
        """Give the looks inside the block the priority of a proof that a pod is gone."""
        before, self._urgent = self._urgent, True
        try:
            yield
        finally:
            self._urgent = before

    def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, Any] | None, secrets: Iterable[str], verb: str
    ) -> Response:
        """Send once and read the answer.

        :raises CloudError: when there is no answer: Unreachable, Ambiguous or ServerError; BadAnswer when the answer
            is too long.
        """
        if verb in ("POST", "PATCH"):
            # The server may have closed a kept connection meanwhile, and then it would be unknown whether a create
            # arrived. A fresh one costs a tenth of a second.
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
            # The thread of a slow exchange may still hold the session.
            self._session = self.fresh_session() if isinstance(error, TooSlow) else self._session
            raise self._no_answer(verb, error, hidden) from None
        except TooLong as error:
            kind = errors.BadAnswer if verb in SAFE else errors.Ambiguous
            raise kind(f"{self.title} sent too much: {error}.") from None
        return decode(raw.status, raw.content, raw.headers, hidden)

    def _no_answer(self, method: str, error: Any, hidden: Iterable[str]) -> errors.CloudError:
        """Return the error for a request without an answer, by whether it certainly never left."""
        reason = redact(_innermost(error), hidden)
        if never_sent(error):
            return errors.Unreachable(
                f"no connection to {self.title} at {self.base_url} ({reason}). Check the network and the API's address."
            )
        message = f"{self.title} did not answer ({reason})."
        return errors.ServerError(message) if method in SAFE else errors.Ambiguous(message)

    def refusal(self, method: str, answer: Response, attempted: str, waited: float = 0.0) -> errors.CloudError:
        """Return the error that an answer with a status of 300 or above stands for.

        :param method: the verb whose rules apply (``like`` of ``request``).
        :param waited: seconds that the request has waited, for the message about a rate limit.
        """
        reason = detail(answer)
        facts: dict[str, Any] = {"status": answer.status, "request_id": answer.request_id, "detail": reason}
        said = f"{self.title} answered {answer.status}: {reason}" + (
            f" (request id {answer.request_id})" if answer.request_id else ""
        )
        status = answer.status
        lead = f"Could not {attempted}: {said}.{_HINTS.get(status, '')}"
        if status == 403 and not isinstance(answer.data, dict):
            return errors.Blocked(
                f"{lead} A firewall or proxy in front of the API refused the request, not the API itself.",
                code="not_json",
                **facts,
            )
        if status == TOO_MANY:
            pause = asked_pause(answer.headers)
            hint = f"Waited {duration(round(waited))} already" + (
                f"; the server asks for {duration(pause)} more." if pause is not None else "."
            )
            return errors.RateLimited(
                f"{lead} {hint} Try again later, or with fewer runs at the same time.", retry_after=pause, **facts
            )
        if status >= 500:
            kind = errors.Ambiguous if method in ("POST", "PATCH") else errors.ServerError
            return kind(lead, **facts)
        if status == 403:
            return errors.Forbidden(f"{lead} The API key, or the account itself, has no permission for this.", **facts)
        kinds: dict[int, type[errors.CloudError]] = {
            401: errors.AuthError,
            402: errors.PaymentRequired,
            404: errors.NotFound,
            # The server stopped reading the request; whether it acted on it is as unknown as after a time-out.
            408: errors.Ambiguous,
            409: errors.Conflict,
        }
        return kinds.get(status, errors.BadRequest)(lead, **facts)


def fetch_without_key(url: str, api_url: str) -> tuple[int, str]:
    """Get an address that an answer named, without the key and without following a redirect.

    :param api_url: the address of the API: unless that is plain HTTP itself, ``url`` must be HTTPS.
    :returns: the status and the text; status 0 when there is no answer or ``url`` is not acceptable.
    """
    if not url.startswith("https://") and not (url.startswith("http://") and api_url.startswith("http://")):
        return 0, ""
    fresh = session()
    fresh.headers["User-Agent"] = USER_AGENT
    # Neither a .netrc nor, on this machine's own loopback, a proxy may interfere.
    fresh.trust_env = not (urlsplit(url).hostname or "").startswith("127.")
    fresh.auth = lambda request: request
    try:
        answer = exchange(fresh, FETCH_LIMITS, "GET", url)
    except (requests.exceptions.RequestException, TooSlow, TooLong):
        return 0, ""
    return answer.status, answer.content.decode("utf-8", errors="replace")


def never_sent(error: Any) -> bool:
    """Return True when the connection was never made, so that nothing can have been executed.

    A failed TLS handshake does not count: its error looks the same as one in the middle of an answer.
    """
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
    """Return the plainest text in a nest of wrapped exceptions, without the library's object addresses."""
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
    """Make a Response of what came over the wire; a body that is not JSON never raises.

    :param hidden: secrets that the text must not show.
    """
    text = content.decode("utf-8-sig", errors="replace")
    data = None
    if text.strip():
        try:
            data = parse_json(text)
        except ValueError:
            data = None
    return Response(status, data, redact(text, hidden), {name.lower(): value for name, value in headers.items()})


def redact(text: str, hidden: Iterable[str]) -> str:
    """Replace every secret of at least four characters in a text; shorter ones would garble innocent words."""
    for secret in sorted(set(hidden), key=len, reverse=True):
        if secret and len(secret) >= 4:
            text = text.replace(secret, "***")
            text = text.replace(json.dumps(secret, allow_nan=False)[1:-1], "***")
    return text


def detail(answer: Response) -> str:
    """Return the server's own words about a refusal, at most QUOTED characters.

    They are the detail of problem+json and its list of errors, the ``error`` or ``message`` of older services, else the
    text without its tags. A missing property comes first, because the validator then lists all others as not allowed.
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
    """Return the readable text of an HTML page; any other text as it is."""
    if "<" not in text:
        return text
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", text)
    return re.sub(r"<[^>]*>", " ", text)


def _cut(text: str) -> str:
    words = " ".join(text.split()).rstrip(".")
    return words if len(words) <= QUOTED else words[:QUOTED] + "…"
