# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an image does not become a container: the faults, and what the system log says about them."""

from __future__ import annotations

from podyard_sandbox.faults import Faults
from podyard_sandbox.runpod.environment import image_versions
from podyard_sandbox.runpod.pod import Pod

# As container engines word them, and as users of the service saw them in its system log.
_STORE = {
    "layer": "failed to register layer: layer does not exist",
    "uid": (
        'failed to register layer: failed to Lchown "/workspace" for UID 1000197609, GID 1000197609: '
        "Container ID 1000197609 cannot be mapped to a host ID"
    ),
}


def image_error(faults: Faults, pod: Pod) -> str | None:
    """Return the error of the pod's image at this start, or None."""
    image = pod.config.image
    fault = faults.peek("image-not-found", image=image)
    if fault is not None and fault.params["reading"] == "error" and fault.triggers():
        return f"failed to pull image {image}: manifest unknown: manifest unknown"
    if pod.config.registry is None and faults.trigger("image-needs-credentials", image=image):
        return (
            f"failed to pull image {image}: pull access denied, repository does not exist or may require "
            "authorization: authorization failed: no basic auth credentials"
        )
    if pod.config.registry is None and faults.trigger("pull-rate-limited", image=image):
        return f"failed to pull image {image}: toomanyrequests: You have reached your unauthenticated pull rate limit."
    if (fault := faults.trigger("image-store-broken", image=image, name=pod.id_and_name)) is not None:
        return _STORE[fault.params["reading"]]
    if faults.trigger("cuda-too-old", image=image):
        wanted = ".".join(image_versions(image).get("CUDA_VERSION", "12.8").split(".")[:2])
        return (
            "OCI runtime create failed: nvidia-container-cli: requirement error: "
            f"unsatisfied condition: cuda>={wanted}, please update your driver to a newer version"
        )
    return None
