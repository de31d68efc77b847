"""Placeholders: what a backend puts in for `{{$...}}`, and what it leaves."""

import re
from collections.abc import Iterator

from ...spec.document import Document, artifacts_of, strings
from ..registry import error, warning
from .links import ISSUE, SOURCE

_LAUNCHER = f"{SOURCE}backend/src/v2/component/launcher_v2.go"
_DRIVER = f"{SOURCE}backend/src/v2/driver/resolve.go"
_PLACEHOLDER = re.compile(r"\{\{\$[^{}]*\}\}")
_INPUT = re.compile(r"\{\{\$\.inputs\.parameters\[[^{}]*\]\}\}")
_METADATA = re.compile(r"\{\{\$\.(?:inputs|outputs)\.artifacts\[[^{}]*?\]\.metadata[^{}]*\}\}")
_IF_PRESENT = re.compile(r'"IfPresent": *\{"InputName": *"(?P<name>[^"]+)"')
_JOB = re.compile(r"\{\{\$\.pipeline_[a-z_]+\}\}")
_VERTEX_ONLY = re.compile(r"\{\{\$\.pipeline_(?:google_cloud_\w+|service_account)\}\}")
_WORKSPACE = "{{$.workspace_path}}"
_OUTPUT_FILE = "{{$.outputs.output_file}}"
_KUBEFLOW_ARGUMENT = re.compile(
    r"""\{\{\$(?:
        | \.inputs\.parameters\[[^{}]*\]
        | \.(?:inputs|outputs)\.artifacts\[[^{}]*\]\.(?:uri|path)
        | \.outputs\.parameters\[[^{}]*\]\.output_file
    )\}\}""",
    re.VERBOSE,
)
_KUBEFLOW_VALUES = {
    f"{{{{$.pipeline_{name}}}}}"
    for name in ("job_name", "job_resource_name", "job_uuid", "task_name", "task_uuid", "job_create_time_utc", "job_schedule_time_utc")
}
# kfp.local knows these two.
_LOCAL_VALUES = {"{{$.pipeline_job_name}}", "{{$.pipeline_job_uuid}}", "{{$.pipeline_task_name}}", "{{$.pipeline_task_uuid}}"}


@error("concat-placeholder", "kubeflow", link=f"{ISSUE}9486")
def concat(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not resolve `dsl.ConcatPlaceholder`.

    The container gets the text `{"Concat": [...]}` from the file. Pass the parts as separate arguments, or pass `--executor_input {{$}}`
    and build the text inside the component.
    """
    for place, text in document.arguments():
        if '{"Concat"' in text:
            yield place, "Kubeflow does not resolve ConcatPlaceholder; pass the parts separately, or `--executor_input {{$}}`"


@error("if-present-placeholder", "vertex", link="https://github.com/googleapis/python-aiplatform/issues/4164")
def if_present(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI is reported not to resolve `dsl.IfPresentPlaceholder` in a command.

    The container gets the text `{"IfPresent": ...}` from the file. Use it in `args`, as Google's own pipelines do, or pass
    `--executor_input {{$}}` and check the input inside the component.
    """
    for place, text in document.arguments():
        if '"IfPresent"' in text and not _in_args(place):
            yield place, "Vertex AI does not resolve IfPresentPlaceholder in a command; use it in `args`"


@warning("if-present-argument", "vertex", link=f"{ISSUE}12498")
def if_present_argument(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI has been reported not to resolve `dsl.IfPresentPlaceholder` in arguments.

    Google's own AutoML pipelines use it there, and they run. If an argument arrives as `{"IfPresent": ...}`, pass `--executor_input {{$}}`
    and check the input inside the component.
    """
    for place, text in document.arguments():
        if '"IfPresent"' in text and _in_args(place):
            yield (
                place,
                "IfPresentPlaceholder in arguments has been reported to arrive unresolved; check it, or pass `--executor_input {{$}}`",
            )


@error("if-present-artifact", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/util.go")
def if_present_artifact(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, `dsl.IfPresentPlaceholder` treats every artifact as absent.

    Its driver looks for the input only among the parameters, and for an artifact it always takes the other branch. Pass `--executor_input
    {{$}}` and check the input inside the component.
    """
    for place, text in document.arguments():
        named = _IF_PRESENT.search(text)
        for component in document.users_of(place.split(".")[2]) if named else []:
            if named and named["name"] in artifacts_of(document.components[component]):
                yield place, f"Kubeflow treats the artifact {named['name']} as absent; look for it in `--executor_input {{{{$}}}}`"


@error("output-file-placeholder", "kubeflow", link=_LAUNCHER)
def output_file(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not resolve `{{$.outputs.output_file}}`.

    The executor input contains the path of the executor output file as `outputs.outputFile`. Pass `--executor_input {{$}}` and read it from
    there.
    """
    for place, text in document.arguments():
        if _OUTPUT_FILE in text:
            yield place, f"Kubeflow leaves {_OUTPUT_FILE} unchanged; read `outputs.outputFile` from `--executor_input {{{{$}}}}`"


@error("metadata-placeholder", "kubeflow", link=_LAUNCHER)
def metadata(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not resolve an artifact's metadata in a command line.

    Its launcher resolves only `.uri` and `.path` of an artifact, and leaves `artifact.metadata[...]` unchanged. Pass `--executor_input
    {{$}}` and read the metadata inside the component.
    """
    for place, text in document.arguments():
        if found := _METADATA.search(text):
            yield place, f"Kubeflow leaves {found[0]} unchanged; read the metadata from `--executor_input {{{{$}}}}`"


@error("job-placeholder-in-arguments", "kubeflow", link=_LAUNCHER)
def job_in_arguments(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not resolve `{{$.pipeline_*}}` in a command line.

    It resolves them only as the value of a task's input. Give the component a parameter and pass the placeholder as its value.
    """
    for place, text in document.arguments():
        if (found := _JOB.search(text)) and not _VERTEX_ONLY.search(text):
            yield place, f"Kubeflow leaves {found[0]} unchanged; give the component a parameter and pass the placeholder as its value"


@error("unknown-placeholder", "kubeflow", link=_LAUNCHER)
def unknown(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow resolves only a few placeholders in a command line.

    They are the whole executor input `{{$}}`, an input parameter, `.uri` and `.path` of an artifact, and `.output_file` of an output
    parameter. It leaves any other placeholder unchanged.
    """
    for place, text in document.arguments():
        for found in _PLACEHOLDER.findall(text):
            known = _METADATA.fullmatch(found) or found.startswith("{{$.pipeline_") or found in (_OUTPUT_FILE, _WORKSPACE)
            if not known and not _KUBEFLOW_ARGUMENT.fullmatch(found):
                yield place, f"Kubeflow leaves {found} unchanged; read the value from `--executor_input {{{{$}}}}`"


@error("placeholder-in-environment", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/driver.go")
def in_environment(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not resolve placeholders in environment variables.

    `set_env_variable(name, value)` is copied into the pod unchanged. Pass values that change from run to run as parameters.
    """
    for place, value in document.variables():
        if (found := _PLACEHOLDER.search(value)) and not _VERTEX_ONLY.search(value):
            yield place, f"Kubeflow leaves {found[0]} unchanged; pass it as a parameter"


@error("vertex-placeholder", "kubeflow", "local", link=_DRIVER)
def vertex_only(document: Document) -> Iterator[tuple[str, str]]:
    """Some placeholders have a value only on Vertex AI.

    These are `{{$.pipeline_google_cloud_location}}` and similar ones, and `{{$.pipeline_service_account}}`. Kubeflow leaves them unchanged,
    and a local run fails. Make the project, location and service account parameters of the pipeline.
    """
    for place, text in document.texts():
        if found := _VERTEX_ONLY.search(text):
            yield place, f"{found[0]} has a value only on Vertex AI; make it a parameter of the pipeline"


@error("value-placeholder", "kubeflow", link=_DRIVER)
def value(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow resolves only seven job placeholders as the value of an input.

    They are the job's name, resource name, ID, creation and schedule time, and the task's name and ID. It leaves
    `dsl.PIPELINE_ROOT_PLACEHOLDER` and the executor's placeholders unchanged. Pass the value as a parameter.
    """
    for place, text in _constant_texts(document):
        known = _INPUT.fullmatch(text) or _VERTEX_ONLY.search(text) or _WORKSPACE in text
        if _PLACEHOLDER.fullmatch(text) and not known and text not in _KUBEFLOW_VALUES:
            yield place, f"Kubeflow leaves {text} unchanged; pass the value as a parameter"


@error("job-placeholder-in-text", "kubeflow", link=_DRIVER)
def job_in_text(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow resolves `{{$.pipeline_*}}` only as a whole value.

    It leaves the placeholder unchanged in an f-string, such as `f"run-{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"`, and within a list or dict. Pass
    the placeholder as a separate parameter and build the text inside the component.
    """
    for place, constant in document.constants():
        for inner, text in strings(constant, place):
            found = _JOB.search(text)
            if found and not _VERTEX_ONLY.search(text) and (inner != place or found[0] != text):
                yield inner, f"Kubeflow resolves {found[0]} only as a whole value; pass it as a separate parameter"


@warning("placeholder-in-text", "kubeflow", link=f"{ISSUE}11035")
def input_in_text(document: Document) -> Iterator[tuple[str, str]]:
    """An f-string around a parameter or a task's output is fragile on Kubeflow.

    Its launcher inserts the value into the JSON of the executor input as plain text. A quote, a backslash or a line break in the value
    breaks the task, and values have been reported missing. Pass the values as separate parameters and build the text inside the component.
    kfp's compiler writes `set_accelerator_type(parameter)` and similar settings in this way too; `penstock compile`, `submit` and `upload`
    correct that.
    """
    for place, constant in document.constants():
        for inner, text in strings(constant, place):
            if found := _INPUT.search(text):
                yield inner, f"{found[0]} is inside a text: a quote in the value breaks the task; pass it as a separate parameter"


@error("channel-in-collection", link=f"{ISSUE}12040")
def channel(document: Document) -> Iterator[tuple[str, str]]:
    """Older versions of kfp left parameters within a list or dict unresolved.

    The file then contains the compiler's internal mark, `{{channel:task=...}}`, which no backend resolves. Compile it again with a newer
    kfp, or pass the value as a separate parameter.
    """
    for place, text in document.texts():
        if "{{channel:" in text:
            yield place, "the file contains an internal mark of the compiler, which no backend resolves; compile it with a newer kfp"


@error("workspace-placeholder", "vertex", link=f"{SOURCE}sdk/python/kfp/dsl/pipeline_config.py")
def workspace(document: Document) -> Iterator[tuple[str, str]]:
    """A workspace exists only on Kubeflow and locally.

    `dsl.WORKSPACE_PATH_PLACEHOLDER` is a volume that Kubernetes provides for a run. Vertex AI has none. Pass data as artifacts.
    """
    for place, text in document.texts():
        if _WORKSPACE in text:
            yield place, f"Vertex AI has no workspace and leaves {_WORKSPACE} unchanged; pass data as artifacts"


@warning("job-placeholder-local", "local", link=f"{SOURCE}sdk/python/kfp/local/placeholder_utils.py")
def job_local(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local raises IndexError for the job's resource name and times.

    It supports only the names and IDs of the job and the task. `penstock run` fixes this.
    """
    for place, text in document.texts():
        for found in _JOB.findall(text):
            if found not in _LOCAL_VALUES and not _VERTEX_ONLY.fullmatch(found):
                yield place, f"kfp.local raises IndexError for {found}; use `penstock run`"


def _constant_texts(document: Document) -> Iterator[tuple[str, str]]:
    return ((place, constant) for place, constant in document.constants() if isinstance(constant, str))


def _in_args(place: str) -> bool:
    return ".args[" in place
