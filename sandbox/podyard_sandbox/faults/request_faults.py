# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of requests, and the other reading of doubtful documentation."""

from __future__ import annotations

from podyard_sandbox.faults.kind import BODIES, NAME, READS, FaultKind, Param, name_filter, operation_filter

KINDS = (
    # Any request
    FaultKind(
        "unauthorized",
        "Requests are answered 401, as if the key had been deleted.",
        {"operation": operation_filter("*")},
    ),
    FaultKind(
        "forbidden",
        "Requests are answered 403, as if the key lacked the right.",
        {"operation": operation_filter("*")},
    ),
    FaultKind(
        "rate-limited",
        "Requests are answered 429.",
        {
            "operation": operation_filter("*"),
            "retry_after": Param(int, 1, "Retry-After, seconds"),
            "header": Param(bool, True, "whether the Retry-After header is sent; otherwise only RateLimit shows it"),
        },
    ),
    FaultKind(
        "small-quota",
        "The account may send only this many requests a minute, an hour and a day; RateLimit shows what is left.",
        {
            "minute": Param(int, 60, "requests a minute"),
            "hour": Param(int, 3000, "requests an hour"),
            "day": Param(int, 50000, "requests a day"),
        },
    ),
    FaultKind(
        "server-error",
        "Reads are answered 5xx, and nothing is done.",
        {
            "operation": operation_filter(READS),
            "status": Param(int, 503, "HTTP status", (500, 502, 503, 504)),
            "body": Param(str, "json", "json: a problem document; html: a proxy's page; empty", BODIES),
        },
    ),
    FaultKind(
        "odd-body",
        "The request is carried out and answered with its status, but the body is a proxy's page or empty.",
        {
            "operation": operation_filter("*"),
            "body": Param(str, "empty", "html: a proxy's page; empty", ("html", "empty")),
        },
    ),
    FaultKind(
        "agent-refused",
        "The edge refuses clients with this User-Agent with 403 and its own text, as it always refuses Python-urllib.",
        {"agent": name_filter("User-Agents")},
    ),
    FaultKind(
        "drops-line",
        "The connection is dropped before anything is done.",
        {"operation": operation_filter("*")},
    ),
    FaultKind(
        "latency",
        "Responses are delayed.",
        {"operation": operation_filter("*"), "seconds": Param(float, 1.0, "seconds")},
    ),
    FaultKind(
        "graphql-gone",
        "GraphQL has been switched off, as announced; the balance is not available elsewhere.",
        {
            "reading": Param(
                str,
                "410",
                "410, 404: that status; schema: the fields are unknown; html: a page instead of JSON",
                ("410", "404", "schema", "html"),
            )
        },
    ),
    # The other reading of doubtful documentation
    FaultKind(
        "volume-delete-unguarded",
        "A network volume can be deleted while pods use it; otherwise that is refused with 400.",
    ),
    FaultKind(
        "template-delete-unguarded",
        "A template can be deleted while a pod created from it exists; otherwise that is refused with 400.",
    ),
    FaultKind(
        "lower-case-data-center",
        "A create accepts a data centre in lower case, and the object breaks later; otherwise it is unknown.",
    ),
    FaultKind(
        "older-service",
        "The API as first published: no paging, no secrets, no cmd, entrypoint, minRamPerGpu or minVcpuCountPerGpu.",
    ),
    FaultKind(
        "as-in-example",
        "A PROVISIONING pod looks as in the API's example: machine known, runtime {}, can start but not stop.",
        {"name": NAME},
    ),
    FaultKind(
        "blames-valid-fields",
        "When a required field is missing, the validator also reports all valid fields as not allowed.",
    ),
    FaultKind(
        "data-center-priority",
        "A create accepts dataCenterPriority: with custom, dataCenterIds are tried in order; otherwise it is unknown.",
    ),
    FaultKind(
        "title-case-enums",
        "The catalogue spells availability High, Medium, Low, None instead of HIGH, MEDIUM, LOW, NONE.",
    ),
    FaultKind(
        "cpu-disk-cap",
        "A CPU pod's container disk is limited to this many GB per vCPU; a create that asks for more gets 400.",
        {"gb": Param(int, 10, "GB per vCPU")},
    ),
    FaultKind(
        "pod-key-no-rights",
        "The key in a pod's RUNPOD_API_KEY has no rights; otherwise it may read and terminate its own pod.",
    ),
)
