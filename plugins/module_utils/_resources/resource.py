# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources that only one provider has (templates, volumes, credentials): declared there, not programmed.

A driver says what its resource is called, where it is listed, which fields it has and what may be done to them. How it
is found is the same for all and is here; how it is made, changed and deleted is in ``_resource_changes``.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import quote

from .._core import errors
from .._core.clock import PollInterval
from .._http.session import ApiSession
from .account import EnvVarStore, SshKeyList

#: Seconds after a create in which a list may not show the new object yet: lists were seen to lag by up to a minute.
GRACE = 60.0
#: Stands for a value that must not be shown.
MASK = "(set)"
#: The same, of a variable whose value differs from the one before.
NEW_MASK = "(changed)"


def same(value: Any) -> Any:
    """Return the value itself: for fields that mean the same on both sides."""
    return value


@dataclass(frozen=True)
class Field:
    """One property of a resource.

    :param option: its name in options and results.
    :param wire: its name on the wire.
    :param to_wire: an option's value as the wire wants it.
    :param from_wire: what the wire sends, as an option would say it; None and absent are the same. Also applied to
        ``to_wire``'s result, so that two spellings of one value are no difference.
    :param default: what is sent at creation if the option is not given; later, not given means unchanged.
    :param required: needed at creation.
    :param fixed: why it cannot be changed later and what to do instead, as a sentence; empty: it can be.
    :param grows: may only get larger.
    :param secret: no value of it is ever shown; of a dictionary the names are.
    :param write_only: the service never returns it, so that a difference cannot be seen.
    :param refers: the kind of resource that it names, by id or by name; the wire has the id.
    :param check: what is wrong with a value, as the end of a sentence (``must be …``); None: nothing.
    """

    option: str
    wire: str
    to_wire: Callable[[Any], Any] = same
    from_wire: Callable[[Any], Any] = same
    default: Any = None
    required: bool = False
    fixed: str = ""
    grows: bool = False
    secret: bool = False
    write_only: bool = False
    refers: str = ""
    check: Callable[[Any], str | None] = lambda _value: None

    def normal(self, value: Any) -> Any:
        """Return an option's value, spelled as one that came from the wire."""
        return self.from_wire(self.to_wire(value))


@dataclass(frozen=True)
class Page:
    """How a list is read.

    ``key`` is the name of its array, empty for a bare array; ``more`` gives the query of the next page for an answer,
    or None when it is the last.
    """

    key: str
    more: Callable[[Any], Mapping[str, Any] | None] = lambda _data: None


#: (store, the options of what is to be made) -> nothing; raises when it may not be made.
Guard = Callable[["ResourceStore", Mapping[str, Any]], None]
#: (store, the object) -> who uses it, as words for a message.
Users = Callable[["ResourceStore", Mapping[str, Any]], Sequence[str]]


@dataclass(frozen=True)
class Resource:
    """A kind of resource.

    :param kind: the word for it in messages and for ``find``: ``network_volume``.
    :param title: what a sentence calls it: ``network volume``.
    :param path: where it is listed and made; below it, by id, it is changed and deleted.
    :param identity: name of the property by which people know it.
    :param update: the verb of a change; empty: it can only be replaced.
    :param call: (POST, ``update`` or DELETE; the object that is there; path; body) -> the method, path and body that
        the service wants for it, where these differ.
    :param unwrap: the object in the answer to a create or change; None when the answer does not hold it.
    :param partial: that object is only its ids; the rest is read from the list.
    :param by_id: objects that are not in the list can be read by their id (those of others).
    :param sources: other lists of the same kind, which are not the account's own: word -> (path, query).
    :param derive: properties that follow from the options, shown with them: a price.
    :param remark: what belongs into the message of a create or change, as a sentence: what it costs.
    :param advice: what a person should be warned of, as sentences.
    :param may_create: looked at before a create; it only reads, and raises when the service would refuse.
    :param users: who uses an object; while anybody does, it is not deleted.
    :param free: how its users let go of it, as a sentence.
    :param gone: words by which a bad request at a delete says that it is not there; empty: only a 404 says so.
    """

    kind: str
    title: str
    path: str
    page: Page
    fields: tuple[Field, ...]
    identity: str = "name"
    id_key: str = "id"
    update: str = "PATCH"
    unwrap: Callable[[Any], Any] = same
    call: Callable[[str, Mapping[str, Any] | None, str, Any], tuple[str, str, Any]] = lambda verb, _now, path, body: (
        verb,
        path,
        body,
    )
    partial: bool = False
    by_id: bool = False
    sources: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    derive: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _values: {}
    remark: Callable[[Mapping[str, Any]], str] = lambda _values: ""
    advice: Callable[[Mapping[str, Any]], Sequence[str]] = lambda _values: ()
    may_create: Guard | None = None
    users: Users | None = None
    free: str = ""
    gone: str = ""

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object of the wire in the words of our options, id and name first; secrets in the clear."""
        found = {"id": text(raw.get(self.id_key)), "name": text(raw.get(self.identity))}
        found.update({each.option: each.from_wire(raw.get(each.wire)) for each in self.fields if not each.write_only})
        return {**found, **self.derive(found)}

    def show(self, values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``values`` with every secret masked; one that differs from ``before`` is marked, so that a diff shows it."""
        shown = dict(values)
        for each in self.fields:
            if each.secret and each.option in shown:
                earlier = None if before is None else before.get(each.option)
                shown[each.option] = masked(shown[each.option], earlier, before is not None)
        return shown

    def label(self, raw: Mapping[str, Any]) -> str:
        """Return an object in a sentence: ``the network volume data (agv6w2qcg7)``."""
        return f"the {self.title} {raw.get(self.identity)} ({raw.get(self.id_key)})"


def text(value: Any) -> str | None:
    """``value`` as text; None for null and for empty text."""
    return str(value) if value not in (None, "") and not isinstance(value, (dict, list)) else None


def masked(value: Any, earlier: Any, compare: bool) -> Any:
    """Return a secret as it may be shown: of a dictionary the names."""
    if isinstance(value, Mapping):
        known = earlier if isinstance(earlier, Mapping) else {}
        return {name: NEW_MASK if compare and known.get(name) != one else MASK for name, one in sorted(value.items())}
    if value is None:
        return None
    return NEW_MASK if compare and value != earlier else MASK


def read_list(
    api: ApiSession, path: str, page: Page, query: Mapping[str, Any] | None = None
) -> list[Mapping[str, Any]]:
    """Every object of a list, all pages of it.

    :raises CloudError: for any page that cannot be read: an error is never an empty list.
    """
    found: list[Mapping[str, Any]] = []
    asked: Mapping[str, Any] = dict(query or {})
    seen: list[Mapping[str, Any]] = []
    while True:
        data = api.request("GET", path, query=asked, attempted=f"read the list {path} of {api.title}").data
        entries = data if not page.key else data.get(page.key) if isinstance(data, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise errors.BadAnswer(
                f"{api.title}'s answer to GET {path} holds no list of {page.key or 'objects'}; it cannot be read, "
                "which is not the same as empty."
            )
        found.extend(entries)
        more = page.more(data)
        if more is None:
            return found
        if more in seen:
            raise errors.BadAnswer(f"{api.title}'s list {path} goes round in circles; it cannot be read to its end.")
        seen.append(more)
        asked = {**(query or {}), **more}


@dataclass(frozen=True)
class ResourceResult:
    """What was done, or in check mode would be.

    ``before`` and ``after`` are in the words of our options with secrets masked, None where there is no object.
    ``changes`` are the options that differed; ``warnings`` are sentences that a person should read.
    """

    changed: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    message: str
    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceSpec:
    """What somebody asks for.

    :param id: the object's id, if it is known by that.
    :param name: its name; with an id, the name it shall have.
    :param values: options that were given; those that are not stay as they are.
    :param renew: replace an object that exists already, for something that cannot be compared may have changed.
    """

    id: str | None = None
    name: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    renew: bool = False

    def label(self) -> str:
        """Return the name, or the id, for a message."""
        return self.name or self.id or "without a name"


class ResourceStore:
    """All objects of one kind in one account.

    :param kinds: all kinds of that provider, for a field that names an object of another kind.
    :param grace: seconds after a create for which a list may not show the object yet.
    """

    def __init__(
        self,
        api: ApiSession,
        resource: Resource,
        kinds: Mapping[str, Resource] | None = None,
        *,
        polls: PollInterval | None = None,
        grace: float = GRACE,
    ) -> None:
        self.api = api
        self.resource = resource
        self.polls = polls or PollInterval()
        self.grace = grace
        self._kinds = kinds or {}

    def all(self, source: str | None = None) -> list[Mapping[str, Any]]:
        """Every object as it is on the wire, of the account or of another list (a key of ``sources``)."""
        path, query = self.resource.sources[source] if source else (self.resource.path, {})
        return read_list(self.api, path, self.resource.page, query)

    def find(self, reference: str) -> Mapping[str, Any]:
        """Return the object whose id, or else whose name, is ``reference``.

        :raises BadRequest: when there is none (with the names that exist), or when several have that name.
        """
        listed = self.all()
        found = self._with_id(listed, reference) or self._only(listed, reference) or self._foreign(reference)
        if found is None:
            raise errors.BadRequest(
                f"{self.api.title} has no {self.resource.title} {reference!r} (option {self.resource.kind}) in this "
                f"account, neither by id nor by name; there {self._listed(listed)}. Give the id or name of one that is "
                "there, or make it first."
            )
        return found

    def get(self, object_id: str) -> Mapping[str, Any] | None:
        """Return the object of this id, of the account or, where that can be read, of others."""
        return self._with_id(self.all(), object_id) or self._foreign(object_id)

    def lookup(self, wanted: ResourceSpec) -> Mapping[str, Any] | None:
        """Return the account's own object that the options name, or None when there is none.

        :raises BadRequest: when several have the name, or when another object has the new name.
        """
        listed = self.all()
        if wanted.id is None:
            return self._only(listed, wanted.name or "")
        found = self._with_id(listed, wanted.id)
        other = self._only([raw for raw in listed if raw is not found], wanted.name) if wanted.name else None
        if found is not None and other is not None:
            raise errors.BadRequest(
                f"{self.resource.label(found)} cannot get the name {wanted.name!r}, for "
                f"{self.resource.label(other)} has it already, and then its name would find neither."
            )
        return found

    def resolved(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` with the ids of the objects that they name.

        :raises BadRequest: for one that does not exist.
        """
        found = dict(values)
        for each in self.resource.fields:
            if each.refers and found.get(each.option):
                other = ResourceStore(self.api, self._kinds[each.refers]).find(str(found[each.option]))
                found[each.option] = other.get(self._kinds[each.refers].id_key)
        return found

    def path(self, object_id: Any) -> str:
        """Return an object's path; an id from outside cannot lead elsewhere."""
        return f"{self.resource.path}/{quote(str(object_id), safe='')}"

    def _with_id(self, listed: Sequence[Mapping[str, Any]], object_id: str) -> Mapping[str, Any] | None:
        return next((raw for raw in listed if text(raw.get(self.resource.id_key)) == object_id), None)

    def _only(self, listed: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
        """Return the object of this name.

        :raises BadRequest: when there are several.
        """
        found = [raw for raw in listed if raw.get(self.resource.identity) == name]
        if len(found) > 1:
            ids = ", ".join(str(raw.get(self.resource.id_key)) for raw in found)
            raise errors.BadRequest(
                f"The name {name!r} belongs to {len(found)} objects of the kind {self.resource.title} on "
                f"{self.api.title}: which one you mean cannot be guessed. Give the id of one of them ({ids}), or "
                "rename or delete the others."
            )
        return found[0] if found else None

    def _foreign(self, reference: str) -> Mapping[str, Any] | None:
        """Return an object that is not the account's own, by its id; None when there is none."""
        if not self.resource.by_id or not reference.replace("-", "").replace("_", "").isalnum():
            return None
        attempted = f"read the {self.resource.title} {reference} on {self.api.title}"
        try:
            data = self.api.request("GET", self.path(reference), attempted=attempted).data
        except errors.NotFound:
            return None
        raw = self.resource.unwrap(data)
        return raw if isinstance(raw, dict) and raw.get(self.resource.id_key) else None

    def _listed(self, listed: Sequence[Mapping[str, Any]]) -> str:
        names = sorted(f"{raw.get(self.resource.identity)} ({raw.get(self.resource.id_key)})" for raw in listed)
        return f"are: {', '.join(names)}" if names else "is none at all"


@dataclass(frozen=True)
class BillQuery:
    """What bills are asked for.

    :param kind: what was billed: ``all``, ``pods``, ``network_volumes``, ….
    :param object_id: only of this pod or volume; None: of all.
    :param bucket: length of one record: ``hour``, ``day``, ``week``, ``month``, ``year``.
    :param last: so many of these up to now; else from ``start`` (RFC 3339) to ``end``.
    """

    kind: str = "all"
    object_id: str | None = None
    bucket: str = "day"
    last: int | None = None
    start: str | None = None
    end: str | None = None


class AccountApi(abc.ABC):
    """What one account holds beside pods."""

    @abc.abstractmethod
    def store(self, kind: str, *, polls: PollInterval | None = None, grace: float = GRACE) -> ResourceStore:
        """All objects of a kind."""

    @abc.abstractmethod
    def keys(self, pod_id: str | None = None) -> SshKeyList:
        """Return the account's SSH keys; with an id, those of one pod, where a provider knows them."""

    def variables(self) -> EnvVarStore:
        """Return the account's variables.

        :raises BadRequest: where a provider has none.
        """
        raise errors.BadRequest("This provider keeps no variables for an account.")

    @abc.abstractmethod
    def bills(self, query: BillQuery) -> dict[str, Any]:
        """Return what was billed: {"records", "totals", "query"}, amounts in USD."""

    def tell(self, say: Callable[[str], None]) -> None:  # noqa: B027 - who never waits has nothing to tell
        """Where a line goes that people should see when a request has to wait."""
