"""Each test fails when kfp has fixed a defect that penstock.local patches: then remove the patch that `kfp_adapter.orchestrator` names."""

import inspect
import sys
from types import SimpleNamespace

import pytest
from google.protobuf import struct_pb2
from kfp import dsl
from kfp.compiler import pipeline_spec_builder
from kfp.local import cache, config, executor_input_utils, executor_output_utils, io, placeholder_utils, subprocess_task_handler
from kfp.local.orchestrator import enhanced_dag_orchestrator, task_spec_utils
from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator
from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
from kfp.pipeline_spec import pipeline_spec_pb2


@pytest.fixture
def store() -> io.IOStore:
    """What kfp.local knows after a task `make` has put out a verdict and some items."""
    store = io.IOStore()
    store.put_task_output("make", "verdict", "it's blessed")
    store.put_task_output("make", "items", ["a"])
    return store


def test_conditions_on_a_named_output_are_false(store):
    condition = "inputs.parameter_values['pipelinechannel--make-verdict'] != 'x'"
    assert ConditionEvaluator.evaluate_condition(condition, store) is False


def test_conditions_on_a_text_with_a_quote_are_false(store):
    store.put_parent_input("text", "it's blessed")
    assert ConditionEvaluator.evaluate_condition("inputs.parameter_values['text'] != 'x'", store) is False


def test_loops_do_not_find_a_named_output(store):
    with pytest.raises(ValueError, match="not found"):
        store.get_parent_input("pipelinechannel--make-items")


def test_loops_overwrite_other_outputs():
    task = pipeline_spec_pb2.PipelineTaskSpec()
    task.inputs.parameters["beside"].task_output_parameter.producer_task = "make"
    task.parameter_iterator.item_input = "item"
    made = task_spec_utils.create_parameter_loop_iteration_task_spec(task, "the item", "for-loop-1")
    assert made.inputs.parameters["beside"].runtime_value.constant.string_value == "the item"


def test_independent_tasks_run_one_after_the_other():
    source = inspect.getsource(enhanced_dag_orchestrator.run_enhanced_dag)
    assert "while sorted_body_tasks:" in source
    assert "submit" not in source


def test_none_defaults_are_unknown_values():
    with pytest.raises(ValueError, match="Unknown value type"):
        executor_output_utils.pb2_value_to_python(struct_pb2.Value())


def test_none_defaults_cannot_be_arguments():
    component = pipeline_spec_pb2.ComponentSpec()
    component.input_definitions.parameters["text"].is_optional = True
    with pytest.raises(ValueError, match="Value must be one of"):
        executor_input_utils.construct_executor_input(component, {"text": None}, "root", block_input_artifact=False)


def test_none_within_a_list_cannot_be_converted():
    with pytest.raises(ValueError, match="Value must be one of"):
        pipeline_spec_builder.to_protobuf_value([None])


def test_a_default_does_not_stand_in_for_a_lost_output(store):
    inputs = pipeline_spec_pb2.TaskInputsSpec()
    inputs.parameters["text"].task_output_parameter.producer_task = "failed"
    with pytest.raises(ValueError, match="not found"):
        OrchestratorUtils.make_task_arguments(inputs, store)


def test_numbers_within_a_list_are_floats():
    component, task = pipeline_spec_pb2.ComponentSpec(), {"numbers": [1]}
    component.input_definitions.parameters["numbers"].parameter_type = pipeline_spec_pb2.ParameterType.LIST
    made = executor_input_utils.construct_executor_input(component, task, "root", block_input_artifact=False)
    (number,) = executor_input_utils.executor_input_to_dict(made, component)["inputs"]["parameterValues"]["numbers"]
    assert isinstance(number, float)


def test_an_item_without_the_field_is_given_on_whole():
    assert OrchestratorUtils._apply_expression_selector({"a": 1}, 'parseJson(string_value)["b"]') == {"a": 1}


def test_an_output_of_a_task_that_did_not_run_is_an_error(store):
    outputs = pipeline_spec_pb2.DagOutputsSpec()
    outputs.parameters["one"].value_from_parameter.producer_subtask = "skipped"
    with pytest.raises(ValueError, match="not found"):
        OrchestratorUtils.get_dag_output_parameters(outputs, store)


def test_a_value_is_taken_for_a_placeholder(monkeypatch):
    monkeypatch.setattr(config.LocalExecutionConfig, "instance", SimpleNamespace(workspace_root=None))
    executor_input = {"inputs": {"parameterValues": {"text": "{{$.x}}"}}, "outputs": {"outputFile": "x"}}
    with pytest.raises(IndexError):
        placeholder_utils.replace_placeholders(["{{$}}"], executor_input, "run", "task", "root", "1")


def test_a_nested_pipeline_is_given_no_artifact_alone(store):
    task, component = pipeline_spec_pb2.PipelineTaskSpec(), pipeline_spec_pb2.ComponentSpec()
    task.inputs.artifacts["data"].task_output_artifact.producer_task = "make"
    task.inputs.artifacts["data"].task_output_artifact.output_artifact_key = "items"
    assert task_spec_utils.build_nested_dag_arguments("inner", task, component, store) == {}


def test_custom_paths_are_lost():
    artifact = dsl.Dataset(uri="/absent")
    artifact.set_path("/somewhere")
    (given,) = executor_input_utils.dsl_artifact_to_artifact_list(artifact).artifacts
    assert not given.custom_path


def test_oneof_over_artifacts_is_refused(store):
    outputs = pipeline_spec_pb2.DagOutputsSpec()
    for task in ("first", "second"):
        outputs.artifacts["one"].artifact_selectors.add(producer_subtask=task, output_artifact_key="model")
    store.put_task_output("second", "model", dsl.Model(uri="x"))
    with pytest.raises(ValueError, match="Expected 1 artifact"):
        OrchestratorUtils.get_dag_output_artifacts(outputs, store)


@pytest.mark.parametrize("placeholder", [dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER, dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER])
def test_placeholders_of_the_job_raise(placeholder, monkeypatch):
    monkeypatch.setattr(config.LocalExecutionConfig, "instance", SimpleNamespace(workspace_root=None))
    with pytest.raises(IndexError):
        placeholder_utils.resolve_individual_placeholder(placeholder, {"outputs": {"outputFile": "x"}}, "run", "task", "root", "1", "2")


def test_cache_keys_name_places(tmp_path):
    upstream = cache.LocalCache(str(tmp_path))
    keys = [upstream.compute_key("c", "i", [], {"a": dsl.Dataset(uri=uri, metadata={"fingerprint": "same"})}) for uri in ("here", "there")]
    assert keys[0] != keys[1]


def test_cache_misses_artifacts_that_are_metadata_only(tmp_path):
    upstream = cache.LocalCache(str(tmp_path))
    upstream.put("key", {"metrics": dsl.Metrics(uri=str(tmp_path / "absent"), metadata={"auc": 0.7})})
    assert upstream.get("key") is None


def test_handler_refuses_container_components():
    with pytest.raises(RuntimeError, match="only supports running Lightweight Python Components"):
        subprocess_task_handler.SubprocessTaskHandler("python:3.11", ["python", "-m", "x"], "root", None)


def test_docker_runner_takes_a_container_that_has_gone_for_one_that_succeeded(monkeypatch):
    """kubeflow/pipelines#13332."""

    class NotFound(Exception):
        """The engine has removed the container, as `auto_remove` says."""

    class Client:
        """Docker's client where a container fails immediately."""

        def __init__(self):
            self.images = SimpleNamespace(list=list, pull=lambda image: None)
            self.containers = SimpleNamespace(run=lambda **options: self)

        def logs(self, stream):
            return iter(())

        def wait(self):
            raise NotFound

    monkeypatch.setitem(sys.modules, "docker", SimpleNamespace(DockerClient=Client, errors=SimpleNamespace(NotFound=NotFound)))
    from kfp.local import docker_task_handler

    assert docker_task_handler.run_docker_container(Client(), "image:tag", ["false"], {}) == 0
