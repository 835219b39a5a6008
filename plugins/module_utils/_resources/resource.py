# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe resources that only one provider has (templates, volumes, credentials): its driver declares them.

A driver declares what its resource is called, where it is listed, which fields it has and how these may change. Finding
an object is the same for all resources and is here; ``reconcile.py`` creates, changes and deletes.
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
#: Stands for a secret value.
MASK = "(set)"
#: Stands for a secret value that differs from the one before.
NEW_MASK = "(changed)"


def same(value: Any) -> Any:
    """Return the value unchanged, for fields that look the same on both sides."""
    return value


@dataclass(frozen=True)
class Field:
    """One property of a resource.

    :param option: its name in options and results.
    :param wire: its name on the wire.
    :param to_wire: converts an option's value to the one on the wire.
    :param from_wire: converts a value on the wire to an option's; None stands for an absent one too. It is also applied
        to the result of ``to_wire``, so that two spellings of one value do not differ.
    :param default: what a create sends if the option is not given. Later, an option that is not given stays unchanged.
    :param required: a create needs it.
    :param fixed: a sentence about why it cannot be changed later and what to do instead; empty when it can.
    :param grows: True when the value can only grow.
    :param secret: its value is never shown; of a dictionary, the names are.
    :param write_only: the service never returns it, so a difference cannot be seen.
    :param refers: the kind of resource that it names, by id or by name; the wire has the id.
    :param check: returns what is wrong with a value, as the end of a sentence (``must be …``), or None.
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
        """Return an option's value as it would come back from the wire."""
        return self.from_wire(self.to_wire(value))


@dataclass(frozen=True)
class Page:
    """How a list is read page by page.

    :param key: the name of the array in an answer; empty for a bare array.
    :param more: returns the query of the next page for an answer, or None after the last page.
    """

    key: str
    more: Callable[[Any], Mapping[str, Any] | None] = lambda _data: None


#: (store, the options of a new object) -> nothing; raises when it cannot be created.
Guard = Callable[["ResourceStore", Mapping[str, Any]], None]
#: (store, the object) -> what uses it, as nouns for a message.
Users = Callable[["ResourceStore", Mapping[str, Any]], Sequence[str]]


@dataclass(frozen=True)
class Resource:
    """A kind of resource.

    :param kind: the option that names it: ``network_volume``.
    :param title: what a sentence calls it: ``network volume``.
    :param path: the path on which it is listed and created; by id below it, it is changed and deleted.
    :param identity: the property by which people know it.
    :param update: the verb of a change; empty when it can only be replaced.
    :param call: (POST, ``update`` or DELETE; the existing object; path; body) -> the method, path and body that the
        service wants, where they differ from the usual ones.
    :param unwrap: returns the object in the answer to a create or change; None when the answer does not contain it.
    :param partial: that object has only its ids, and the rest is read from the list.
    :param by_id: objects that the list does not show (those of other accounts) can be read by their id.
    :param sources: other lists of the same kind, which are not the account's own: word -> (path, query).
    :param derive: returns properties that follow from the options and are shown with them, such as a price.
    :param remark: returns a sentence for the message of a create or change, such as what it costs.
    :param advice: returns warnings for a person, as sentences.
    :param may_create: called before a create; it only reads, and raises when the service would refuse.
    :param users: returns what uses an object; it is not deleted while anything does.
    :param free: a sentence about what to do so that the object is no longer in use.
    :param gone: the text in a bad request by which the service says at a delete that the object does not exist; empty
        when only a 404 says so.
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
        """Convert an object on the wire to options, id and name first; secrets in the clear."""
        found = {"id": text(raw.get(self.id_key)), "name": text(raw.get(self.identity))}
        found.update({each.option: each.from_wire(raw.get(each.wire)) for each in self.fields if not each.write_only})
        return {**found, **self.derive(found)}

    def show(self, values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return ``values`` with secrets masked, those that differ from ``before`` in another way, for a diff."""
        shown = dict(values)
        for each in self.fields:
            if each.secret and each.option in shown:
                earlier = None if before is None else before.get(each.option)
                shown[each.option] = masked(shown[each.option], earlier, before is not None)
        return shown

    def label(self, raw: Mapping[str, Any]) -> str:
        """Return what a sentence calls an object: ``the network volume data (agv6w2qcg7)``."""
        return f"the {self.title} {raw.get(self.identity)} ({raw.get(self.id_key)})"


def text(value: Any) -> str | None:
    """Return a value as text; None for null, empty text, lists and dictionaries."""
    return str(value) if value not in (None, "") and not isinstance(value, (dict, list)) else None


def masked(value: Any, earlier: Any, compare: bool) -> Any:
    """Return a mask in place of a secret; of a dictionary, the names with masks.

    :param earlier: the value before.
    :param compare: use another mask where the value differs from ``earlier``.
    """
    if isinstance(value, Mapping):
        known = earlier if isinstance(earlier, Mapping) else {}
        return {name: NEW_MASK if compare and known.get(name) != one else MASK for name, one in sorted(value.items())}
    if value is None:
        return None
    return NEW_MASK if compare and value != earlier else MASK


def read_list(
    api: ApiSession, path: str, page: Page, query: Mapping[str, Any] | None = None
) -> list[Mapping[str, Any]]:
    """Read every object of a list, over all its pages.

    :raises CloudError: for any page that cannot be read: an error never counts as an empty list.
    """
    found: list[Mapping[str, Any]] = []
    asked: Mapping[str, Any] = dict(query or {})
    seen: list[Mapping[str, Any]] = []
    while True:
        data = api.request("GET", path, query=asked, attempted=f"read the list {path} on {api.title}").data
        entries = data if not page.key else data.get(page.key) if isinstance(data, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise errors.BadAnswer(
                f"The answer of {api.title} to GET {path} contains no list of {page.key or 'objects'}. That does not "
                "mean that there are none."
            )
        found.extend(entries)
        more = page.more(data)
        if more is None:
            return found
        if more in seen:
            raise errors.BadAnswer(
                f"The pages of the list {path} of {api.title} repeat, so it cannot be read to its end."
            )
        seen.append(more)
        asked = {**(query or {}), **more}


@dataclass(frozen=True)
class ResourceResult:
    """What was done, or in check mode would be done.

    :param before: the options of the object with secrets masked; None when there was no object.
    :param after: the same afterwards.
    :param changes: the options that differed.
    :param warnings: sentences for a person.
    """

    changed: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    message: str
    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceSpec:
    """The object that the user asks for.

    :param id: the object's id, if the user gave it.
    :param name: its name; together with an id, its new name.
    :param values: the given options; all others stay unchanged.
    :param renew: replace an existing object, because values that cannot be compared may have changed.
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

    :param kinds: all kinds of that provider, for fields that name an object of another kind.
    :param grace: seconds after a create in which a list may not show the object yet.
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
        """Return every object on the wire, of the account or of another list (a key of ``sources``)."""
        path, query = self.resource.sources[source] if source else (self.resource.path, {})
        return read_list(self.api, path, self.resource.page, query)

    def find(self, reference: str) -> Mapping[str, Any]:
        """Return the object whose id, or else whose name, is ``reference``.

        :raises BadRequest: when there is none (it lists what there is), or when several have that name.
        """
        listed = self.all()
        found = self._with_id(listed, reference) or self._only(listed, reference) or self._foreign(reference)
        if found is None:
            raise errors.BadRequest(
                f"This account on {self.api.title} has no {self.resource.title} with the id or name {reference!r} "
                f"(option {self.resource.kind}). {self._listed(listed)}"
            )
        return found

    def get(self, object_id: str) -> Mapping[str, Any] | None:
        """Return the object of this id, of the account or, where that can be read, of other accounts; or None."""
        return self._with_id(self.all(), object_id) or self._foreign(object_id)

    def lookup(self, wanted: ResourceSpec) -> Mapping[str, Any] | None:
        """Return the account's own object that ``wanted`` names, or None when there is none.

        :raises BadRequest: when several have the name, or when another object already has the requested new name.
        """
        listed = self.all()
        if wanted.id is None:
            return self._only(listed, wanted.name or "")
        found = self._with_id(listed, wanted.id)
        other = self._only([raw for raw in listed if raw is not found], wanted.name) if wanted.name else None
        if found is not None and other is not None:
            raise errors.BadRequest(
                f"The name {wanted.name!r} already belongs to {self.resource.label(other)}. If "
                f"{self.resource.label(found)} got it too, neither could be found by its name."
            )
        return found

    def resolved(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``values`` with ids in place of the names of other objects.

        :raises BadRequest: when such an object does not exist.
        """
        found = dict(values)
        for each in self.resource.fields:
            if each.refers and found.get(each.option):
                other = ResourceStore(self.api, self._kinds[each.refers]).find(str(found[each.option]))
                found[each.option] = other.get(self._kinds[each.refers].id_key)
        return found

    def path(self, object_id: Any) -> str:
        """Return the path of an object. The id is quoted, so that it cannot lead elsewhere."""
        return f"{self.resource.path}/{quote(str(object_id), safe='')}"

    def _with_id(self, listed: Sequence[Mapping[str, Any]], object_id: str) -> Mapping[str, Any] | None:
        return next((raw for raw in listed if text(raw.get(self.resource.id_key)) == object_id), None)

    def _only(self, listed: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
        """Return the object of this name, or None.

        :raises BadRequest: when there are several.
        """
        found = [raw for raw in listed if raw.get(self.resource.identity) == name]
        if len(found) > 1:
            ids = ", ".join(str(raw.get(self.resource.id_key)) for raw in found)
            raise errors.BadRequest(
                f"On {self.api.title}, {len(found)} objects of the kind {self.resource.title} have the name {name!r}, "
                f"and this task does not guess. Give the id of one of them ({ids}), or rename or delete the others."
            )
        return found[0] if found else None

    def _foreign(self, reference: str) -> Mapping[str, Any] | None:
        """Return an object of another account by its id; None when there is none or it cannot be read."""
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
        if not names:
            return "The account has none; create it first."
        return f"The account has: {', '.join(names)}. Give the id or name of one of these, or create it first."


@dataclass(frozen=True)
class BillQuery:
    """The bills to read.

    :param kind: what was billed: ``all``, ``pods``, ``network_volumes``, ….
    :param object_id: the id of one pod or volume; None for all.
    :param bucket: the length of one record: ``hour``, ``day``, ``week``, ``month``, ``year``.
    :param last: the number of such records up to now; None for those from ``start`` (RFC 3339) to ``end``.
    """

    kind: str = "all"
    object_id: str | None = None
    bucket: str = "day"
    last: int | None = None
    start: str | None = None
    end: str | None = None


class AccountApi(abc.ABC):
    """What an account holds besides pods."""

    @abc.abstractmethod
    def store(self, kind: str, *, polls: PollInterval | None = None, grace: float = GRACE) -> ResourceStore:
        """Return the store of all objects of a kind."""

    @abc.abstractmethod
    def keys(self, pod_id: str | None = None) -> SshKeyList:
        """Return the account's SSH keys; with an id, those of one pod, where the provider has such a list."""

    def variables(self) -> EnvVarStore:
        """Return the account's variables.

        :raises BadRequest: when the provider has none.
        """
        raise errors.BadRequest("This provider has no environment variables in its accounts.")

    @abc.abstractmethod
    def bills(self, query: BillQuery) -> dict[str, Any]:
        """Read what was billed, as {"records", "totals", "query"}, with amounts in USD."""

    def tell(self, say: Callable[[str], None]) -> None:  # noqa: B027 - an API without waits has nothing to say
        """Take ``say``, which shows a line on the screen when a request has to wait."""
