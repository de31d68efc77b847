"""What kfp-kubernetes has had since 2.16 only. It can go when setup.cfg asks for 2.16 or later; tests/penstock/test_kfp_versions.py tests it."""

import inspect
from typing import Any

from kfp import kubernetes

_TOO_OLD = "kfp-kubernetes 2.16 or later is needed for it; upgrade kfp-kubernetes and kfp"


def set_security_context(task: Any, **given: Any) -> None:
    """Sets a task's security context.

    Raises:
        ValueError: kfp-kubernetes is older than 2.16, or takes none of what is given.
    """
    if not hasattr(kubernetes, "set_security_context"):
        raise ValueError(_TOO_OLD)
    kubernetes.set_security_context(task, **given)


def mount_pvc(task: Any, pvc_name: str, mount_path: str, sub_path: str = "") -> None:
    """Mounts a volume claim, or a folder of it.

    Raises:
        ValueError: There is a folder, and kfp-kubernetes is older than 2.16.
    """
    if sub_path and "sub_path" not in inspect.signature(kubernetes.mount_pvc).parameters:
        raise ValueError(f"sub_path: {_TOO_OLD}")
    kubernetes.mount_pvc(task, pvc_name, mount_path, **{"sub_path": sub_path} if sub_path else {})
