# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one declared resource into the requested state: compare, create once, change, delete.

Check mode takes the same path as a real run, up to the first request that would change something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core import errors
from .._core.units import duration
from .._core.values import to_json
from .resource import Field, ResourceResult, ResourceSpec, ResourceStore

STATES = ("present", "absent")
#: How many looks after the grace must find nothing before a create counts as not executed.
PROOF = 2
#: Secrets shorter than this (``true``, ``4096``) stay readable in a server's answer: hiding them would garble it.
SHORTEST_SECRET = 6


def ensure(
    store: ResourceStore, wanted: ResourceSpec, state: str, *, check: bool = False, patience: float = 0.0
) -> ResourceResult:
    """Bring one object into a state of ``STATES``.

    :param check: change nothing; return what would be done.
    :param patience: seconds to wait until an object that is to be deleted is no longer in use.
    :raises CloudError: when that fails. Nothing was changed unless the message says so.
    """
    task = ResourceReconciler(store, wanted, check, patience)
    if state == "absent":
        return task.remove()
    return task.make()


class ResourceReconciler:
    """One object on its way to the requested state."""

    def __init__(self, store: ResourceStore, wanted: ResourceSpec, check: bool, patience: float) -> None:
        self.store = store
        self.resource = store.resource
        self.wanted = wanted
        self.check = check
        self.patience = patience

    def make(self) -> ResourceResult:
        """Create the object, or change it until it is as requested."""
        _refuse(f"the {self.resource.title} {self.wanted.label()}", self._wrong_values())
        now = self.store.lookup(self.wanted)
        self.wanted = replace(self.wanted, values=self.store.resolved(self.wanted.values))
        if now is None:
            return self._create()
        return self._renew(now) if self.wanted.renew else self._update(now)

    def remove(self) -> ResourceResult:
        """Delete the object if it exists."""
        now = self.store.lookup(self.wanted)
        if now is None:
            return ResourceResult(False, None, None, f"There is no {self.resource.title} {self.wanted.label()}.")
        note = self._delete(now)
        return self._outcome("deleted", now, self.resource.read(now), None, notes=note)

    # -- create --------------------------------------------------------------------------------------------------

    def _create(self, old: Mapping[str, Any] | None = None) -> ResourceResult:
        """Create the object. ``old`` is the deleted object that it replaces, if any."""
        values = self._values_of_new()
        before, done = (None, "created") if old is None else (self.resource.read(old), "deleted and created again")
        if self.check:
            after: dict[str, Any] = {"id": None, "name": self.wanted.name}
            for each in self.resource.fields:
                if not each.write_only:
                    value = values.get(each.option)
                    after[each.option] = each.from_wire(None) if value is None else each.normal(value)
            return self._outcome(done, None, before, {**after, **self.resource.derive(after)}, tuple(values))
        body: dict[str, Any] = {self.resource.identity: self.wanted.name}
        for each in self.resource.fields:
            sent = each.to_wire(values[each.option]) if each.option in values else None
            if sent not in (None, ""):  # providers were seen to take an empty text for a value
                body[each.wire] = sent
        found, notes = self._post(body, old)
        return self._outcome(done, found, before, self.resource.read(found), tuple(values), notes)

    def _values_of_new(self) -> dict[str, Any]:
        """Return the given values, and the defaults of the others.

        :raises BadRequest: when the object cannot be created from them.
        """
        kind, given = self.resource.title, self.wanted.values
        if self.wanted.id is not None:
            raise errors.BadRequest(
                f"This account has no {kind} with the id {self.wanted.id!r}, and objects of other accounts cannot be "
                "changed. To create one, leave out the id and give a name."
            )
        missing = [each.option for each in self.resource.fields if each.required and given.get(each.option) is None]
        if missing:
            raise errors.BadRequest(f"To create the {kind} {self.wanted.label()}, also set: {', '.join(missing)}.")
        values = {}
        for each in self.resource.fields:
            value = given.get(each.option)
            value = each.default if value is None else value
            if value is not None:
                values[each.option] = value
        if self.resource.may_create is not None:
            self.resource.may_create(self.store, values)
        return values

    def _post(self, body: Mapping[str, Any], old: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], list[str]]:
        """Send the create once. If its outcome is unknown, look for the object by its name and use it.

        :returns: the object, and warnings for a person.
        """
        attempted = f"create the {self.resource.title} {self.wanted.label()} on {self.store.api.title}"
        try:
            raw = self._send("POST", None, body, attempted)
            if raw is not None:
                return raw, []
            lost = errors.Ambiguous(f"Could not {attempted}: the answer does not contain the new object.")
        except errors.Ambiguous as error:
            lost = error
        found = self._look_up(lost, old)
        label = _upper(self.resource.label(found))
        return found, [f"{lost.message} {label} was found by its name and is used; it was not created twice."]

    def _look_up(self, cause: errors.CloudError, old: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return the object that a create of unknown outcome has made.

        :raises Ambiguous: when PROOF looks after the grace do not find it.
        :raises Conflict: when there are several of that name.
        :raises CloudError: when the key may not read the list.
        """
        clock, grace = self.store.polls.clock, self.store.grace
        begun, absences, problem = clock.monotonic(), 0, ""
        while absences < PROOF:
            gone = clock.monotonic() - begun
            try:
                found = self._named(old)
            except (errors.AuthError, errors.Forbidden, errors.Blocked) as error:
                error.reword(f"{cause.message} The object may exist, and it cannot be looked up: {error.message}")
                raise
            except errors.CloudError as error:
                problem, found = f" The list could not be read: {error.message}", []
            if len(found) > 1:
                raise errors.Conflict(
                    f"{cause.message} There are now {len(found)} objects with the name {self.wanted.name!r}, because "
                    "another task or person created one too: "
                    f"{', '.join(map(self.resource.label, found))}. Delete all but one."
                )
            if found:
                return found[0]
            absences += gone >= grace
            self.store.polls.pause(max(1.0, grace - gone))
        raise errors.Ambiguous(
            f"{cause.message} The request was sent once, and no {self.resource.title} {self.wanted.label()} appeared "
            f"within {duration(grace)}.{problem} Run the task again: it looks for the object before it creates one.",
            status=cause.status,
            request_id=cause.request_id,
            detail=cause.detail,
        )

    def _named(self, old: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
        """Return the objects of the requested name, without the replaced one, which a list may still show."""
        key, name = self.resource.id_key, self.resource.identity
        gone = old.get(key) if old is not None else None
        return [raw for raw in self.store.all() if raw.get(name) == self.wanted.name and raw.get(key) != gone]

    # -- change --------------------------------------------------------------------------------------------------

    def _update(self, now: Mapping[str, Any]) -> ResourceResult:
        """Change what differs, and nothing else."""
        before = self.resource.read(now)
        different = self._different(now)
        renamed = self.wanted.name is not None and before["name"] != self.wanted.name
        _refuse(self.resource.label(now), self._impossible(before, different, renamed))
        if not different and not renamed:
            return self._outcome("", now, before, before)
        options = (*(("name",) if renamed else ()), *(each.option for each in different))
        after = {**before, **{each.option: each.normal(self._given(each)) for each in different}}
        after["name"] = self.wanted.name if renamed else before["name"]
        after.update(self.resource.derive(after))
        if self.check:
            return self._outcome("changed", now, before, after, options)
        body = {each.wire: each.to_wire(self._given(each)) for each in different}
        if renamed:
            body[self.resource.identity] = self.wanted.name
        found = self._patch(now, body)
        kept = [each.option for each in self._different(found)]
        notes = (
            [f"{self.store.api.title} accepted the change but still reports the old {', '.join(kept)}."] if kept else []
        )
        return self._outcome("changed", found, before, self.resource.read(found), options, notes)

    def _different(self, now: Mapping[str, Any]) -> list[Field]:
        """Return the given fields whose value differs from that of the object."""
        return [
            each
            for each in self.resource.fields
            if not each.write_only
            and self._given(each) is not None
            and each.normal(self._given(each)) != each.from_wire(now.get(each.wire))
        ]

    def _impossible(self, before: Mapping[str, Any], different: Sequence[Field], renamed: bool) -> Iterator[str]:
        """Yield a sentence for each field that cannot be changed."""
        if renamed and not self.resource.update:
            yield f"it cannot be renamed to {self.wanted.name}. Create another one of that name, and delete this one."
        for each in different:
            old, new = before[each.option], each.normal(self._given(each))
            if each.fixed or not self.resource.update:
                yield f"its {each.option} is {old} and cannot be changed to {new}. {each.fixed}".strip()
            elif each.grows and old is not None and new < old:
                yield (
                    f"its {each.option} is {old} and can only grow, not shrink to {new}. Set {old} or more, or "
                    f"create another {self.resource.title} of the smaller size and copy the data."
                )

    def _patch(self, now: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send the change; if the answer is lost, look whether the change was made."""
        label, object_id = self.resource.label(now), str(now.get(self.resource.id_key))
        try:
            raw = self._send(self.resource.update, now, body, f"change {label} on {self.store.api.title}")
        except errors.Ambiguous as error:
            raw = self.store.lookup(ResourceSpec(id=object_id))
            if raw is None or self._different(raw):
                error.add("Whether the change was made is unknown. Run the task again: it compares first.")
                raise
        return raw or self.store.lookup(ResourceSpec(id=object_id)) or {**now, **body}

    # -- delete --------------------------------------------------------------------------------------------------

    def _renew(self, now: Mapping[str, Any]) -> ResourceResult:
        """Delete the object and create it again, because values that cannot be compared may have changed."""
        if self.wanted.id is not None:
            self.wanted = replace(self.wanted, id=None, name=self.wanted.name or self.resource.read(now)["name"])
        self._values_of_new()  # refuses what could not be created again, before anything is deleted
        notes = self._delete(now)
        try:
            outcome = self._create(now)
        except errors.CloudError as error:
            if not self.check:
                error.add(
                    f"{_upper(self.resource.label(now))} was already deleted: run the task again to create the new one."
                )
            raise
        return replace(outcome, warnings=(*notes, *outcome.warnings))

    def _delete(self, now: Mapping[str, Any]) -> list[str]:
        """Delete an object that is not in use; wait up to ``patience`` seconds until it is not.

        :returns: notes for a person.
        :raises Conflict: when it is still in use. Nothing was deleted then.
        """
        refusal: errors.CloudError | None = None
        users: Sequence[str] = ()
        for _gone in self.store.polls.until(0 if self.check else self.patience):
            users = self.resource.users(self.store, now) if self.resource.users is not None else ()
            if users:
                continue
            if self.check:
                return []
            label = self.resource.label(now)
            try:
                self._send("DELETE", now, None, f"delete {label}")
            except errors.NotFound:
                return [f"{_upper(label)} no longer existed."]
            except (errors.BadRequest, errors.Conflict) as error:
                if self.resource.gone and self.resource.gone in error.message:
                    return [f"{_upper(label)} no longer existed."]
                refusal = error
                continue
            return []
        return self._still_used(now, users, refusal)

    def _still_used(self, now: Mapping[str, Any], users: Sequence[str], refusal: errors.CloudError | None) -> list[str]:
        """Return the note of check mode about an object in use; in a real run, raise.

        In check mode with a wait it is no error: the object may no longer be in use by the end of the wait.
        """
        label, waited = self.resource.label(now), self.patience
        if not users and refusal is not None:
            refusal.add(f"Nothing was deleted. {self.resource.free}")
            raise refusal
        listed = ", ".join(users)
        if self.check and waited > 0:
            return [
                f"{_upper(label)} is in use by {listed}; a real run waits up to {duration(waited)} for that to end."
            ]
        raise errors.Conflict(
            f"{_upper(label)} is in use by {listed}, and was not deleted"
            + (f" after a wait of {duration(waited)}. " if waited > 0 else ". ")
            + self.resource.free,
            facts={"used_by": list(users)},
        )

    # -- shared --------------------------------------------------------------------------------------------------

    def _given(self, each: Field) -> Any:
        return self.wanted.values.get(each.option)

    def _wrong_values(self) -> Iterator[str]:
        """Yield a sentence for each given option that is wrong by itself."""
        if self.wanted.name is not None and not self.wanted.name.strip():
            yield "its name is empty; give it a name."
        for each in self.resource.fields:
            problem = each.check(self._given(each)) if self._given(each) is not None else None
            if problem:
                yield f"{each.option} {problem}"

    def _send(self, verb: str, now: Mapping[str, Any] | None, body: Any, attempted: str) -> Mapping[str, Any] | None:
        """Send one request that changes something, and return the object in the answer, or None when it has none.

        :param verb: POST creates, DELETE deletes ``now``, every other verb changes it.
        """
        path = self.resource.path if now is None else self.store.path(now.get(self.resource.id_key))
        method, path, body = self.resource.call(verb, now, path, body)
        secrets = self._secrets()
        try:
            answer = self.store.api.request(method, path, body=body, secrets=secrets, attempted=attempted, like=verb)
        except errors.BadRequest as error:
            error.add(self._too_large(body) if error.status == 413 else self._explain(error.detail or ""))
            raise
        raw = self.resource.unwrap(answer.data)
        if not isinstance(raw, dict) or not raw.get(self.resource.id_key):
            return None
        if self.resource.partial:
            return self.store.get(str(raw[self.resource.id_key])) or {**(now or {}), **(body or {}), **raw}
        return raw

    def _explain(self, detail: str) -> str:
        """Return a hint about the options that a server's answer speaks of under its own names, with their values."""
        named = []
        for each in self.resource.fields:
            given = self._given(each)
            if given is not None and re.search(rf"\b{re.escape(each.wire)}\b", detail):
                value = "a secret that is not shown" if each.secret or each.write_only else repr(given)
                named.append(f"the option {each.option} is {value}")
        return f"In this task {' and '.join(named)}: correct it and run the task again." if named else ""

    def _too_large(self, body: Mapping[str, Any]) -> str:
        """Return a hint about the option that makes a request too large."""
        sizes = {each.option: len(to_json(body[each.wire])) for each in self.resource.fields if each.wire in body}
        largest = max(sizes, key=lambda option: sizes[option], default="name")
        return f"Most of the request is the option {largest}: shorten it, and copy large values to the pod as files."

    def _secrets(self) -> list[str]:
        """Return the values that no message may repeat."""
        found: list[str] = []
        for each in self.resource.fields:
            value = self._given(each)
            if each.secret or each.write_only:
                found += map(str, value.values()) if isinstance(value, Mapping) else [str(value)]
        return [value for value in found if len(value) >= SHORTEST_SECRET]

    def _outcome(
        self,
        done: str,
        raw: Mapping[str, Any] | None,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        changes: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> ResourceResult:
        label = self.resource.label(raw) if raw is not None else f"the {self.resource.title} {self.wanted.label()}"
        would = "would be" if self.check else "was"
        message = f"{_upper(label)} {would} {done}" if done else f"{_upper(label)} is already as requested"
        message += f": {', '.join(changes)}." if done == "changed" else "."
        remark = self.resource.remark(after) if after is not None and done else ""
        shown = self.resource.show(after, before) if after is not None else None
        advice = self.resource.advice(after) if after is not None and done else ()
        return ResourceResult(
            changed=bool(done),
            before=self.resource.show(before) if before is not None else None,
            after=shown,
            message=f"{message} {remark}".rstrip(),
            changes=tuple(changes),
            warnings=(*notes, *advice),
        )


def _upper(text: str) -> str:
    """Return a text with a capital letter, to begin a sentence."""
    return text[:1].upper() + text[1:]


def _refuse(label: str, problems: Iterator[str]) -> None:
    """Raise BadRequest with all problems, if there are any."""
    found = list(problems)
    if found:
        raise errors.BadRequest(f"{_upper(label)} was not changed: {' Also, '.join(found)}")
