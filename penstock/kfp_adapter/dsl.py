"""What of `kfp.dsl` is not exported. No issue asks for it; `test_kfp_does_not_export` in tests/penstock/kfp_adapter/test_private.py notices when it is."""

from kfp.dsl.component_factory import EXECUTOR_MODULE
from kfp.dsl.constants import WORKSPACE_MOUNT_PATH
from kfp.dsl.executor import create_artifact_instance
from kfp.dsl.pipeline_task import TaskState

__all__ = [
    "EXECUTOR_MODULE",  # the module that a lightweight component's command runs, which distinguishes it from any other
    "WORKSPACE_MOUNT_PATH",  # where the workspace is on Kubernetes; in a compiled file it stands for the workspace
    "TaskState",  # whether a task is in a pipeline or has already run here
    "create_artifact_instance",  # makes dsl.Model and the like by schema title
]
