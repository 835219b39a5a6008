# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of requests, and the other reading of what is in doubt."""

from __future__ import annotations

from podyard_sandbox.faults.kind import BODIES, NAME, READS, FaultKind, Param, name_filter, operation_filter

KINDS = (
    # What any request meets
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
            "header": Param(bool, True, "whether the Retry-After header is sent; else only RateLimit tells"),
        },
    ),
    FaultKind(
        "small-quota",
        "The account may send only so many requests a minute, an hour and a day; RateLimit tells what is left.",
        {
            "minute": Param(int, 60, "requests a minute"),
            "hour": Param(int, 3000, "requests an hour"),
            "day": Param(int, 50000, "requests a day"),
        },
    ),
    FaultKind(
        "server-error",
        "Reads are answered 5xx; nothing is done.",
        {
            "operation": operation_filter(READS),
            "status": Param(int, 503, "HTTP status", (500, 502, 503, 504)),
            "body": Param(str, "json", "json: a problem document; html: a proxy's page; empty", BODIES),
        },
    ),
    FaultKind(
        "odd-body",
        "What was asked is done, and the answer has its status, but the body is a proxy's page or empty.",
        {
            "operation": operation_filter("*"),
            "body": Param(str, "empty", "html: a proxy's page; empty", ("html", "empty")),
        },
    ),
    FaultKind(
        "agent-refused",
        "The front refuses clients whose User-Agent is like this with 403 and its own text, as it always does "
        "Python-urllib's.",
        {"agent": name_filter("a User-Agent")},
    ),
    FaultKind(
        "drops-line",
        "The connection is dropped before anything is done.",
        {"operation": operation_filter("*")},
    ),
    FaultKind(
        "latency",
        "Answers come this much later.",
        {"operation": operation_filter("*"), "seconds": Param(float, 1.0, "seconds")},
    ),
    FaultKind(
        "graphql-gone",
        "GraphQL has been switched off, as is announced; the balance is nowhere else.",
        {
            "reading": Param(
                str,
                "410",
                "410, 404: that status; schema: it no longer knows the fields; html: a page instead of JSON",
                ("410", "404", "schema", "html"),
            )
        },
    ),
    # The other reading of what is in doubt
    FaultKind(
        "volume-delete-unguarded",
        "A network volume is deleted although pods use it; else that is refused with 400.",
    ),
    FaultKind(
        "template-delete-unguarded",
        "A template is deleted although a pod was made from it; else that is refused with 400.",
    ),
    FaultKind(
        "lower-case-data-center",
        "A data centre in lower case is taken at a create, and broken later; else it is unknown.",
    ),
    FaultKind(
        "older-service",
        "The API as first published: no paging, no secrets, no cmd, entrypoint, minRamPerGpu, minVcpuCountPerGpu.",
    ),
    FaultKind(
        "as-in-example",
        "A PROVISIONING pod looks as in the API description: machine known, runtime {}, may start but not stop.",
        {"name": NAME},
    ),
    FaultKind(
        "blames-valid-fields",
        "When a required field is missing, the validator lists all the valid fields as not allowed, too.",
    ),
    FaultKind(
        "data-center-priority",
        "A create may say dataCenterPriority: with custom, dataCenterIds are tried in their order; else it is unknown.",
    ),
    FaultKind(
        "title-case-enums",
        "The catalogue spells what is left High, Medium, Low, None instead of HIGH, MEDIUM, LOW, NONE.",
    ),
    FaultKind(
        "cpu-disk-cap",
        "A CPU pod's container disk may have at most so many GB for each vCPU; a create that asks for more gets 400.",
        {"gb": Param(int, 10, "GB for each vCPU")},
    ),
    FaultKind(
        "pod-key-no-rights",
        "The key that a pod finds in RUNPOD_API_KEY may do nothing; else it may read and end its own pod.",
    ),
)
