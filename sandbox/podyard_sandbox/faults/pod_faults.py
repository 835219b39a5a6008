# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of pods: when they are created, while they get ready, and when they end."""

from __future__ import annotations

from podyard_sandbox.faults.kind import AFTER, NAME, POD, READ_COUNT, FaultKind, Param, name_filter, operation_filter

KINDS = (
    # During a create
    FaultKind(
        "no-capacity",
        "Creates are refused for lack of capacity on machines of this GPU, data centre and cloud.",
        {
            "gpu": name_filter("GPU ids"),
            "data_center": name_filter("data centre ids"),
            "cloud": name_filter("clouds"),
            "catalogue": Param(bool, False, "whether the catalogue shows NONE too; otherwise it still shows stock"),
        },
    ),
    FaultKind(
        "create-500-but-made",
        "The create answers 500 although the object was created (and a pod is billed).",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-drops-line",
        "The object is created, and the connection dropped without a response.",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-drops-line-unmade",
        "The connection is dropped without a response, and nothing is created.",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-refused",
        "The create is refused with this status and text; GraphQL still works, as in the real outage.",
        {
            "operation": operation_filter("createPod"),
            "status": Param(int, 400, "HTTP status"),
            "detail": Param(
                str,
                'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".',
                "the server's words",
            ),
            "gpu": name_filter("GPU ids"),
        },
    ),
    FaultKind(
        "phantom",
        "The create answers 201 with an id, but the pod never exists.",
        {"name": NAME},
    ),
    FaultKind(
        "price-above",
        "The contract's price is the catalogue's price times this factor.",
        {"factor": Param(float, 2.0, "contract price / catalogue price"), "gpu": name_filter("GPU ids")},
    ),
    FaultKind(
        "low-balance",
        "The account has only this balance: creates that it does not cover for an hour get 402.",
        {"usd": Param(float, 0.01, "the balance, USD")},
    ),
    # While a pod gets ready
    FaultKind(
        "never-ready",
        "The pod stays in this status for ever, and is billed.",
        {"status": Param(str, "STARTING", "the status in which it hangs", ("PROVISIONING", "STARTING")), "name": NAME},
    ),
    FaultKind(
        "slow-stage",
        "A stage takes this much longer: provisioning, starting, restarting, direct or sshd.",
        {"seconds": Param(float, 5.0, "seconds"), "stage": name_filter("stages"), "name": NAME},
    ),
    FaultKind(
        "no-direct-ssh",
        "The pod runs, but its ssh.direct stays null.",
        {"name": NAME},
    ),
    FaultKind(
        "sshd-late",
        "The port is shown, but sshd starts this much later than usual.",
        {"seconds": Param(float, 5.0, "seconds"), "name": NAME},
    ),
    FaultKind(
        "image-not-found",
        "The image cannot be pulled: the pod ends in ERROR, or the create is refused with 422.",
        {
            "image": name_filter("images"),
            "reading": Param(str, "error", "error: the pod ends in ERROR; refused: 422", ("error", "refused")),
        },
    ),
    FaultKind(
        "image-needs-credentials",
        "The image is private: without a registry credential it cannot be pulled, and the pod ends in ERROR.",
        {"image": name_filter("images")},
    ),
    FaultKind(
        "pull-rate-limited",
        "The registry has had too many pulls: without a registry credential the pod ends in ERROR.",
        {"image": name_filter("images")},
    ),
    FaultKind(
        "image-store-broken",
        "The host cannot unpack the image; the system log says why, and the pod ends in ERROR.",
        {
            "reading": Param(str, "layer", "layer: the host's store is damaged; uid: the image's", ("layer", "uid")),
            "image": name_filter("images"),
            "name": NAME,
        },
    ),
    FaultKind(
        "restart-loop",
        "The container's command ends at once: the pod is RUNNING, and its container starts again and again.",
        {"name": NAME},
    ),
    FaultKind(
        "cuda-too-old",
        "The host's driver is too old for the image: the container never starts, and the pod ends in ERROR.",
        {"image": name_filter("images")},
    ),
    FaultKind(
        "public-key-null",
        "With startSsh and no key in the account, PUBLIC_KEY is the literal text null instead of unset.",
        {"name": NAME},
    ),
    FaultKind(
        "package-mirror-down",
        "The pod's apt-get cannot reach its package mirror.",
        {"name": NAME},
    ),
    FaultKind(
        "ssh-user-told",
        "The pod's ssh.direct names this user instead of root, whatever user its image accepts.",
        {"user": Param(str, "null", "a user's name, or null for none"), "name": NAME},
    ),
    FaultKind(
        "stale-port",
        "After a start or restart, the pod's old port is shown for this many more reads.",
        {"reads": Param(int, 5, READ_COUNT), "name": NAME},
    ),
    FaultKind(
        "gpu-taken",
        "A stopped pod cannot start: its machine's GPU is rented by someone else.",
        {"status": Param(int, 400, "HTTP status; the real one is not known", (400, 409, 500)), "name": NAME},
    ),
    FaultKind(
        "host-lost",
        "The pod's processes and data are lost: at once if `pod` selects a running one, else for the next to start.",
        {
            "pod": POD,
            "after": AFTER,
            "reading": Param(str, "gone", "gone: 404; stuck: RUNNING for ever, with a dead port", ("gone", "stuck")),
        },
    ),
    FaultKind(
        "bad-hosts",
        "All hosts, or with a share that part of them, are bad, the same for the same seed: pods never get"
        " ready there. While it is on, RunPod places pods on any matching machine.",
        {
            "trouble": Param(
                str,
                "loading,no-ssh,oci,no-gpu",
                "loading: the pod never starts; no-ssh: no SSH server; oci: the container cannot be started; no-gpu:"
                " the pod runs, but nvidia-smi finds nothing; of several, comma-separated, each host has one",
                among=("loading", "no-ssh", "oci", "no-gpu"),
            ),
            "seed": Param(int, 1, "which hosts are bad"),
            "provider": name_filter("providers (runpod, vastai)"),
            "name": NAME,
        },
    ),
    # During reads and terminations
    FaultKind(
        "invisible-after-create",
        "A new pod is missing from get and list for this many reads.",
        {
            "reads": Param(int, 3, READ_COUNT),
            "seconds": Param(float, 0.0, "and for at least this many seconds"),
            "name": NAME,
        },
    ),
    FaultKind(
        "terminate-late",
        "A terminated pod stays visible for this many reads.",
        {
            "reads": Param(int, 3, READ_COUNT),
            "seconds": Param(float, 0.0, "and for at least this many seconds"),
            "shown": Param(str, "before", "before: as before; TERMINATED: with that status", ("before", "TERMINATED")),
            "name": NAME,
        },
    ),
    FaultKind(
        "terminate-ignored",
        "The terminate answers 204, but the pod continues to run and to be billed.",
        {"name": NAME},
    ),
    FaultKind(
        "stop-late",
        "A stop answers with the pod still RUNNING, and takes effect after this many reads.",
        {"reads": Param(int, 3, READ_COUNT), "name": NAME},
    ),
    FaultKind(
        "small-pages",
        "A list has at most this many objects per page, whatever limit was asked for.",
        {"size": Param(int, 2, "objects per page")},
    ),
    FaultKind(
        "env-withheld",
        "Responses show the pod's env as empty; otherwise they show it in clear.",
        {"name": NAME},
    ),
)
