# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod has beside pods: templates, network volumes, registry credentials. Declarations for ``_resource``.
Private to this collection.

Source: the REST v2 description and what clients saw of the running service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadAnswer
from ansible_collections.podyard.gpu.plugins.module_utils._http import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._resource import Field, Page, Resource, Store
from ansible_collections.podyard.gpu.plugins.module_utils._runpod import wire


def more(data: Any) -> Mapping[str, Any] | None:
    """The next page of a list; older services send everything at once and say nothing of pages."""
    page = wire.mapping(wire.mapping(data).get("pagination"))
    cursor = wire.text(page.get("nextCursor"))
    if not page.get("hasNextPage") and cursor is None:
        return None
    if cursor is None:
        raise BadAnswer("RunPod's list says that it goes on, but not where; it cannot be read to its end.")
    return {"cursor": cursor}


TEMPLATE = Resource(
    kind="template",
    title="template",
    path="/v2/templates",
    page=Page("templates", more),
    by_id=True,
    fields=(Field("image", "image", required=True),),
)
NETWORK_VOLUME = Resource(
    kind="network_volume",
    title="network volume",
    path="/v2/network-volumes",
    page=Page("networkVolumes", more),
    fields=(Field("size_gb", "size", required=True, grows=True),),
)
REGISTRY = Resource(
    kind="registry",
    title="registry credential",
    path="/v2/registries",
    page=Page("registries", more),
    update="",
    fields=(),
)
RESOURCES = {each.kind: each for each in (TEMPLATE, NETWORK_VOLUME, REGISTRY)}


def find(api: ApiSession, kind: str, reference: str) -> Mapping[str, Any]:
    """The object of a kind (a key of ``RESOURCES``) whose id, or else whose name, is ``reference``; of templates also
    somebody else's by its id.

    :raises BadRequest: when there is none (with the names there are), or when several have that name.
    """
    return Store(api, RESOURCES[kind]).find(reference)
