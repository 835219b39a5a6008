# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: settings that instances are created with."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from podyard_sandbox.vastai import bodies
from podyard_sandbox.vastai.errors import refusal

# The defaults of a template's fields, which also define their types.
_EMPTY: Mapping[str, Any] = {
    "name": "", "image": "", "tag": None, "default_tag": None, "env": "", "onstart": "", "runtype": "args",
    "ssh_direct": False, "use_ssh": False, "jup_direct": False, "jupyter_dir": None, "use_jupyter_lab": False,
    "args_str": "", "extra_filters": {}, "recommended_disk_space": 8.0, "desc": "", "readme": "",
    "readme_visible": True, "private": True, "href": None, "repo": None, "docker_login_repo": None,
    "docker_login_user": None, "docker_login_pass": None, "volume_info": None,
}  # fmt: skip
# Fields that the service sets, not the user.
_TOLD: Mapping[str, Any] = {"count_created": 0, "recent_create_date": None, "recommended": False}
# Fields that no body changes.
_KEPT = frozenset((*_TOLD, "id", "hash_id", "template_id", "creator_id", "created_at"))
# Fields that a search can filter and order by, including the documented ones.
COLUMNS = frozenset((*_EMPTY, *_TOLD, "id", "hash_id", "creator_id", "created_at"))


def check(body: Mapping[str, Any]) -> None:
    """Check that each field of a create or a change has the right type.

    Raises:
        ApiError: 400.
    """
    for name, empty in _EMPTY.items():
        value = body.get(name)
        if value is not None and not _fits(name, value, empty):
            raise bodies.invalid(f"{name} {bodies.shown(value)} is not valid")


def _fits(name: str, value: Any, empty: Any) -> bool:
    if name == "recommended_disk_space":
        return _is_size(value)
    if name in ("env", "extra_filters"):  # some clients send text, others an object
        return isinstance(value, (str, Mapping))
    if name == "volume_info":
        return isinstance(value, Mapping)
    return isinstance(value, bool if isinstance(empty, bool) else str)


def _is_size(value: Any) -> bool:
    try:
        return bodies.amount(value) > 0
    except ValueError:
        return False


class Templates:
    """The account's templates; the hash of a template depends on its contents."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[str, Any]] = {}
        self._numbers = count(334_548)

    def __iter__(self) -> Any:
        return iter(list(self._rows.values()))

    def create(self, body: Mapping[str, Any], user: int) -> dict[str, Any]:
        """Create a template."""
        number = next(self._numbers)
        self._rows[number] = {"id": number, "creator_id": user, "created_at": time.time(), **_TOLD}
        return self._fill(number, body)

    def change(self, row: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Change a template; its id stays, its hash changes."""
        return self._fill(row["id"], body)

    def find(self, *, number: Any = None, hash_id: Any = None) -> dict[str, Any]:
        """Return the template with this id or hash.

        Raises:
            ApiError: 404.
        """
        for row in self:
            if (number is not None and row["id"] == number) or (hash_id is not None and row["hash_id"] == hash_id):
                return row
        raise refusal(404, "not_found", "Template not found")

    def used(self, row: Mapping[str, Any]) -> None:
        """Count an instance created from a template."""
        if (kept := self._rows.get(row["id"])) is not None:
            kept["count_created"] += 1
            kept["recent_create_date"] = time.time()

    def delete(self, row: Mapping[str, Any]) -> None:
        """Delete a template."""
        del self._rows[row["id"]]

    def _fill(self, number: int, body: Mapping[str, Any]) -> dict[str, Any]:
        row = self._rows[number]
        row.update({name: value for name, value in body.items() if name not in _KEPT})
        for name, value in _EMPTY.items():
            row.setdefault(name, value)
        text = json.dumps({name: row[name] for name in row if name not in ("hash_id", *_TOLD)}, sort_keys=True)
        row["hash_id"] = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return row
