"""kfp.local, the orchestrator of `penstock run`, of which only `init` and the runners are documented. From kfp 2.17 on.

Where a patch point names a defect, tests/penstock/kfp_adapter/test_orchestrator.py has the test in parentheses, which fails when kfp has fixed it: then remove the
patch, and the point with the last of its patches. Where no issue is named, none is known; <https://github.com/kubeflow/pipelines/issues/11793>
gathers what kfp.local lacks. The points without a defect are where `penstock run` does what no option of kfp.local's asks for.
"""

from typing import Any

from kfp.compiler import pipeline_spec_builder
from kfp.local import (
    cache,
    config,
    executor_input_utils,
    executor_output_utils,
    logging_utils,
    placeholder_utils,
    status,
    subprocess_task_handler,
)
from kfp.local.orchestrator import enhanced_dag_orchestrator, task_executor, task_spec_utils
from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator
from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
from kfp.local.pipeline_orchestrator import run_local_pipeline

from .patch_point import PatchPoint

__all__ = [
    "LocalCache",
    "Status",
    "is_root",
    "is_there",
    "make_random_id",
    "pipeline_root",
    "replace_python_executable",
    "resolve_io_placeholders",
    "run_local_pipeline",
    "serialize_outputs",
    "workspace_root",
]

Status = status.Status
LocalCache = cache.LocalCache
replace_python_executable = subprocess_task_handler.replace_python_executable  # of a lightweight component's command
make_random_id = placeholder_utils.make_random_id
resolve_io_placeholders = placeholder_utils.resolve_io_placeholders

# Runs any task of a DAG. local.bindings: a task with `ignore_upstream_failure` fails for want of a failed task's output, although it has a
# default (test_a_default_does_not_stand_in_for_a_lost_output). local.faults: an error of a nested pipeline ends the run. local.placeholders: no task has a name of its own.
EXECUTE_TASK = PatchPoint(enhanced_dag_orchestrator, "execute_task")
# Runs a component. local.single_tasks: which task runs, and how it ended, is only logged. local.side_by_side: one task runs at a time
# (test_independent_tasks_run_one_after_the_other). local.fork_servers: kfp does not announce the next task.
EXECUTE_SINGLE_TASK = PatchPoint(task_executor, "execute_single_task")
# Runs a DAG. local.condition_scope: the evaluator gets the condition only, not the task that has it.
RUN_DAG = PatchPoint(enhanced_dag_orchestrator, "run_enhanced_dag")
# Runs a loop. local.loops: a named output and a field of an outer item are not found (test_loops_do_not_find_a_named_output,
# test_loops_overwrite_other_outputs), kubeflow/pipelines#6628; artifacts of nested loops are lists of lists, #10035.
RUN_LOOP = PatchPoint(enhanced_dag_orchestrator, "_run_parallel_for_task")
# Evaluates a condition. local.condition_scope: what cannot be evaluated is taken for false (test_conditions_on_a_named_output_are_false,
# test_conditions_on_a_text_with_a_quote_are_false).
EVALUATE_CONDITION = PatchPoint(ConditionEvaluator, "evaluate_condition")
# Makes a task's arguments. local.placeholders: placeholders of the job are not known (test_placeholders_of_the_job_raise), #13424.
TASK_ARGUMENTS = PatchPoint(OrchestratorUtils, "make_task_arguments")
# Makes the arguments of a pipeline within a pipeline. local.bindings: it forgets artifacts (test_a_nested_pipeline_is_given_no_artifact_alone).
NESTED_ARGUMENTS = PatchPoint(task_spec_utils, "build_nested_dag_arguments")
# Takes a field out of an item. local.bindings: without the field, the whole item is given on (test_an_item_without_the_field_is_given_on_whole).
SELECT_FIELD = PatchPoint(OrchestratorUtils, "_apply_expression_selector")
# Makes the inputs of a pipeline. local.kinds: no value is given as its declared type says (test_none_defaults_cannot_be_arguments).
DAG_INPUTS = PatchPoint(OrchestratorUtils, "join_user_inputs_and_defaults")
# Make the outputs of a pipeline. local.dag_outputs: what a condition kept from running is an error
# (test_an_output_of_a_task_that_did_not_run_is_an_error), #10035; dsl.OneOf takes no artifacts (test_oneof_over_artifacts_is_refused).
DAG_OUTPUT_PARAMETERS = PatchPoint(OrchestratorUtils, "get_dag_output_parameters")
DAG_OUTPUT_ARTIFACTS = PatchPoint(OrchestratorUtils, "get_dag_output_artifacts")

# Make the executor input. local.kinds: None is refused, whole numbers become floats (test_none_defaults_cannot_be_arguments,
# test_numbers_within_a_list_are_floats).
EXECUTOR_INPUT = PatchPoint(executor_input_utils, "construct_executor_input")
EXECUTOR_INPUT_AS_DICT = PatchPoint(executor_input_utils, "executor_input_to_dict")
# Convert values from and to protobuf. local.kinds: an unset value is an error (test_none_defaults_are_unknown_values,
# test_none_within_a_list_cannot_be_converted).
FROM_PROTOBUF = PatchPoint(executor_output_utils, "pb2_value_to_python")
TO_PROTOBUF = PatchPoint(pipeline_spec_builder, "to_protobuf_value")
# Reads the executor output. local.custom_paths: `set_path` is not followed (test_custom_paths_are_lost), which Kubeflow does since #12386.
LOAD_EXECUTOR_OUTPUT = PatchPoint(executor_output_utils, "load_executor_output")
# Resolve placeholders. local.placeholders: a value that looks like one is resolved (test_a_value_is_taken_for_a_placeholder), and the
# job's are not known (test_placeholders_of_the_job_raise), #13424.
SELF_REFERENCES = PatchPoint(placeholder_utils, "resolve_self_references_in_executor_input")
PLACEHOLDER = PatchPoint(placeholder_utils, "resolve_individual_placeholder")

# Names a run. local.run: it is named before it begins, for its folder.
RUN_NAME = PatchPoint(executor_input_utils, "get_local_pipeline_resource_name")
# Runs a task's process. local.handler: kfp.local runs lightweight components alone without Docker (test_handler_refuses_container_components).
TASK_HANDLER = PatchPoint(subprocess_task_handler, "SubprocessTaskHandler")
# Keeps outputs. local.cache: its keys are of places, not contents (test_cache_keys_name_places, test_cache_misses_artifacts_that_are_metadata_only),
# #13983.
LOCAL_CACHE = PatchPoint(cache, "get_local_cache")
# Print. local.quiet: what kfp.local prints would come between the lines of the display.
LOGGER_CONTEXT = PatchPoint(logging_utils, "local_logger_context")
INDENTED_PRINT = PatchPoint(logging_utils, "indented_print")
HORIZONTAL_LINE = PatchPoint(logging_utils, "print_horizontal_line")


def make_task_arguments(task_inputs_spec: Any, io_store: Any) -> dict[str, Any]:
    """Returns a task's arguments, as patched."""
    return TASK_ARGUMENTS.function(task_inputs_spec, io_store)


def is_there(io_store: Any, task: str, output: str) -> bool:
    """Tells whether a task of the pipeline that is being run has given an output; upstream only raises if it has not."""
    return output in io_store._task_output_data.get(task, {})


def is_root(io_store: Any) -> bool:
    """Tells whether a store is the pipeline's own, not one of a pipeline within it."""
    return io_store._parent is None


def serialize_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """Returns a task's outputs as kfp.local's cache writes them."""
    return LocalCache._serialize_outputs(outputs)


def pipeline_root() -> str:
    """Returns the folder for outputs that `kfp.local.init` was given."""
    return config.LocalExecutionConfig.instance.pipeline_root


def workspace_root() -> str:
    """Returns the folder of the workspace that `kfp.local.init` was given."""
    return config.LocalExecutionConfig.instance.workspace_root
