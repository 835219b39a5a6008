# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of pods: at their creation, on their way to ready, and at their end."""

from __future__ import annotations

from podyard_sandbox.faults.kind import AFTER, NAME, POD, READ_COUNT, FaultKind, Param, name_filter, operation_filter

KINDS = (
    # What a create meets
    FaultKind(
        "no-capacity",
        "Creates are refused with the capacity text, on machines of this GPU, data centre and cloud.",
        {
            "gpu": name_filter("a GPU id"),
            "data_center": name_filter("a data centre id"),
            "cloud": name_filter("a cloud"),
            "catalogue": Param(bool, False, "whether the catalogue says NONE too; else it still shows the stock"),
        },
    ),
    FaultKind(
        "create-500-but-made",
        "The create answers 500 although it was made (and a pod bills).",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-drops-line",
        "It is made, and the connection dropped without an answer.",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-drops-line-unmade",
        "The connection is dropped without an answer, and nothing is made.",
        {"name": NAME, "operation": operation_filter("createPod")},
    ),
    FaultKind(
        "create-refused",
        "The create is refused with this status and text, and makes no pod; GraphQL goes on, as in the real outage.",
        {
            "operation": operation_filter("createPod"),
            "status": Param(int, 400, "HTTP status"),
            "detail": Param(
                str,
                'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".',
                "the server's words",
            ),
            "gpu": name_filter("a GPU id"),
        },
    ),
    FaultKind(
        "phantom",
        "The create answers 201 with an id, but no pod is ever there.",
        {"name": NAME},
    ),
    FaultKind(
        "price-above",
        "The contract's price is the catalogue's price times this factor.",
        {"factor": Param(float, 2.0, "contract price / catalogue price"), "gpu": name_filter("a GPU id")},
    ),
    FaultKind(
        "low-balance",
        "The account has only so much left: creates that it does not cover for an hour get 402.",
        {"usd": Param(float, 0.01, "the balance, USD")},
    ),
    # What a pod meets on its way to ready
    FaultKind(
        "never-ready",
        "The pod stays in this status for ever and bills.",
        {"status": Param(str, "STARTING", "where it hangs", ("PROVISIONING", "STARTING")), "name": NAME},
    ),
    FaultKind(
        "slow-stage",
        "A stage on the pod's way lasts so much longer: provisioning, starting, restarting, direct or sshd.",
        {"seconds": Param(float, 5.0, "seconds"), "stage": name_filter("a stage"), "name": NAME},
    ),
    FaultKind(
        "no-direct-ssh",
        "The pod runs, but its ssh.direct stays null.",
        {"name": NAME},
    ),
    FaultKind(
        "sshd-late",
        "The port is shown, but sshd answers this much later than it does otherwise.",
        {"seconds": Param(float, 5.0, "seconds"), "name": NAME},
    ),
    FaultKind(
        "image-not-found",
        "The image cannot be pulled: the pod ends in ERROR, or the create is refused with 422.",
        {
            "image": name_filter("an image"),
            "reading": Param(str, "error", "error: the pod ends in ERROR; refused: 422", ("error", "refused")),
        },
    ),
    FaultKind(
        "image-needs-credentials",
        "The image is private: without a registry credential it cannot be pulled, and the pod ends in ERROR.",
        {"image": name_filter("an image")},
    ),
    FaultKind(
        "pull-rate-limited",
        "The registry has had too many pulls: without a registry credential the pod ends in ERROR.",
        {"image": name_filter("an image")},
    ),
    FaultKind(
        "image-store-broken",
        "The host cannot unpack the image; the system log says why, and the pod ends in ERROR.",
        {
            "reading": Param(str, "layer", "layer: the host's store is damaged; uid: the image's", ("layer", "uid")),
            "image": name_filter("an image"),
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
        "The host's driver is too old for the image: the container never starts and the pod ends in ERROR.",
        {"image": name_filter("an image")},
    ),
    FaultKind(
        "public-key-null",
        "With startSsh and no key in the account, PUBLIC_KEY is the literal text null instead of unset.",
        {"name": NAME},
    ),
    FaultKind(
        "package-mirror-down",
        "The pod's apt-get cannot reach the place that it has packages from.",
        {"name": NAME},
    ),
    FaultKind(
        "ssh-user-told",
        "The pod's ssh.direct names this user instead of root, whoever its image lets in.",
        {"user": Param(str, "null", "a user's name, or null for none"), "name": NAME},
    ),
    FaultKind(
        "stale-port",
        "After a start or restart the pod's old port is shown for this many reads more.",
        {"reads": Param(int, 5, READ_COUNT), "name": NAME},
    ),
    FaultKind(
        "gpu-taken",
        "A stopped pod cannot start: its machine's GPU is rented by another.",
        {"status": Param(int, 400, "HTTP status; the true one is not known", (400, 409, 500)), "name": NAME},
    ),
    FaultKind(
        "host-lost",
        "Processes and data of the pod are gone: of a living pod named by `pod` at once, else of the next to start.",
        {
            "pod": POD,
            "after": AFTER,
            "reading": Param(str, "gone", "gone: 404; stuck: RUNNING for ever, with a dead port", ("gone", "stuck")),
        },
    ),
    FaultKind(
        "bad-hosts",
        "Hosts are bad, or with a share that part of them, the same for the same seed: what is rented there never gets"
        " ready. While it is on, RunPod places pods on any machine that fits.",
        {
            "trouble": Param(
                str,
                "loading,no-ssh,oci,no-gpu",
                "loading: it never starts; no-ssh: no SSH server; oci: the container cannot be started; no-gpu: it"
                " runs, but nvidia-smi finds nothing; of several, by comma, each host has one",
                among=("loading", "no-ssh", "oci", "no-gpu"),
            ),
            "seed": Param(int, 1, "which hosts are bad"),
            "provider": name_filter("a provider (runpod or vastai)"),
            "name": NAME,
        },
    ),
    # What reads and ends meet
    FaultKind(
        "invisible-after-create",
        "A new pod is missing from get and list for so many reads.",
        {
            "reads": Param(int, 3, READ_COUNT),
            "seconds": Param(float, 0.0, "and for at least so many seconds"),
            "name": NAME,
        },
    ),
    FaultKind(
        "terminate-late",
        "A terminated pod stays visible for so many reads.",
        {
            "reads": Param(int, 3, READ_COUNT),
            "seconds": Param(float, 0.0, "and for at least so many seconds"),
            "shown": Param(str, "before", "before: as it was; TERMINATED: with that status", ("before", "TERMINATED")),
            "name": NAME,
        },
    ),
    FaultKind(
        "terminate-ignored",
        "The terminate answers 204, but the pod lives on and bills.",
        {"name": NAME},
    ),
    FaultKind(
        "stop-late",
        "A stop answers with the pod still RUNNING, and takes effect after so many reads.",
        {"reads": Param(int, 3, READ_COUNT), "name": NAME},
    ),
    FaultKind(
        "small-pages",
        "A list holds at most so many objects a page, whatever limit was asked for.",
        {"size": Param(int, 2, "objects a page")},
    ),
    FaultKind(
        "env-withheld",
        "Answers show the pod's env empty; else they show it in clear.",
        {"name": NAME},
    ),
)
