"""What a status says of the newest model: `modelStatus`, as PropagateModelStatus in inference_service_status.go makes it."""

from typing import Any

from .workload import Workload


def model_status(newest: Workload, ready: bool) -> dict[str, Any]:
    """Returns the state of the newest pods' model.

    Args:
        newest: The pods of the newest template.
        ready: Whether the InferenceService is Ready; its model counts as loaded then.
    """
    trouble = newest.trouble
    copies = {"failedCopies": 0, "totalCopies": int(newest.is_ready)}
    if ready and newest.is_ready:
        return {"transitionStatus": "UpToDate", "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"}, "copies": copies}
    if trouble is None or trouble.exit_code < 0:
        return {"transitionStatus": "InProgress", "states": {"activeModelState": "", "targetModelState": "Pending"}, "copies": copies}
    return {
        "transitionStatus": "BlockedByFailedLoad",
        "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": trouble.message, "exitCode": trouble.exit_code},
        "copies": copies,
    }
