"""Compiled pipelines as protos. kfp has no API to read one: `load_component_from_text` makes a component of it, and refuses what has inputs of some types.

No issue asks for one; `test_kfp_does_not_export` in tests/penstock/kfp_adapter/test_private.py notices when kfp exports these.
"""

from kfp.local.graph_utils import topological_sort_tasks
from kfp.local.utils import struct_to_executor_spec
from kfp.pipeline_spec import pipeline_spec_pb2

__all__ = [
    "pipeline_spec_pb2",  # of the distribution kfp-pipeline-spec
    "struct_to_executor_spec",
    "topological_sort_tasks",  # the order, reversed, in which kfp.local runs a DAG's tasks
]
