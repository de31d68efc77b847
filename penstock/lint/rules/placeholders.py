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
    """Kubeflow does not put `dsl.ConcatPlaceholder` together.

    The container gets the text `{"Concat": [...]}` as it stands in the file. Pass the parts as arguments of their own, or pass
    `--executor_input {{$}}` and build the text inside the component.
    """
    for place, text in document.arguments():
        if '{"Concat"' in text:
            yield place, "Kubeflow passes ConcatPlaceholder on unresolved; pass the parts apart, or `--executor_input {{$}}`"


@error("if-present-placeholder", "vertex", link="https://github.com/googleapis/python-aiplatform/issues/4164")
def if_present(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI is reported not to resolve `dsl.IfPresentPlaceholder` in a command.

    The container gets the text `{"IfPresent": ...}` as it stands in the file. Write it in `args`, where Google's own pipelines have it, or pass
    `--executor_input {{$}}` and look inside the component.
    """
    for place, text in document.arguments():
        if '"IfPresent"' in text and not _in_args(place):
            yield place, "Vertex AI passes IfPresentPlaceholder in a command on unresolved; write it in `args`"


@warning("if-present-argument", "vertex", link=f"{ISSUE}12498")
def if_present_argument(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI has been reported not to resolve `dsl.IfPresentPlaceholder` in arguments.

    Google's own AutoML pipelines are written so, and run. Where an argument arrives as `{"IfPresent": ...}`, pass `--executor_input {{$}}` and look inside
    the component.
    """
    for place, text in document.arguments():
        if '"IfPresent"' in text and _in_args(place):
            yield (
                place,
                "IfPresentPlaceholder in arguments has been reported to arrive unresolved; see that it does not, or pass `--executor_input {{$}}`",
            )


@error("if-present-artifact", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/util.go")
def if_present_artifact(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow takes every artifact for absent.

    Its driver looks the input of a `dsl.IfPresentPlaceholder` up among the parameters; for an artifact it always takes the other branch. Pass
    `--executor_input {{$}}` and look inside the component.
    """
    for place, text in document.arguments():
        named = _IF_PRESENT.search(text)
        for component in document.users_of(place.split(".")[2]) if named else []:
            if named and named["name"] in artifacts_of(document.components[component]):
                yield place, f"Kubeflow takes the artifact {named['name']} for absent; look for it in `--executor_input {{{{$}}}}`"


@error("output-file-placeholder", "kubeflow", link=_LAUNCHER)
def output_file(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not put in `{{$.outputs.output_file}}`.

    The path of the executor's output file stands in the executor input, as `outputs.outputFile`: pass `--executor_input {{$}}` and take it from there.
    """
    for place, text in document.arguments():
        if _OUTPUT_FILE in text:
            yield place, f"Kubeflow leaves {_OUTPUT_FILE} as it is; take `outputs.outputFile` from `--executor_input {{{{$}}}}`"


@error("metadata-placeholder", "kubeflow", link=_LAUNCHER)
def metadata(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not put in an artifact's metadata.

    Of an artifact, its launcher puts in `.uri` and `.path` only; `artifact.metadata[...]` in a command line stays as it stands. Pass
    `--executor_input {{$}}` and read the metadata inside the component.
    """
    for place, text in document.arguments():
        if found := _METADATA.search(text):
            yield place, f"Kubeflow leaves {found[0]} as it is; read the metadata from `--executor_input {{{{$}}}}`"


@error("job-placeholder-in-arguments", "kubeflow", link=_LAUNCHER)
def job_in_arguments(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not put in `{{$.pipeline_*}}` within a command line.

    It does so for the value of a task's input only. Give the component a parameter and pass the placeholder as its value.
    """
    for place, text in document.arguments():
        if (found := _JOB.search(text)) and not _VERTEX_ONLY.search(text):
            yield place, f"Kubeflow leaves {found[0]} as it is; give the component a parameter and pass the placeholder as its value"


@error("unknown-placeholder", "kubeflow", link=_LAUNCHER)
def unknown(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow leaves any other placeholder in a command line as it is.

    It knows the whole executor input `{{$}}`, an input parameter, an artifact's `.uri` and `.path`, and an output parameter's `.output_file`.
    """
    for place, text in document.arguments():
        for found in _PLACEHOLDER.findall(text):
            told = _METADATA.fullmatch(found) or found.startswith("{{$.pipeline_") or found in (_OUTPUT_FILE, _WORKSPACE)
            if not told and not _KUBEFLOW_ARGUMENT.fullmatch(found):
                yield place, f"Kubeflow leaves {found} as it is; take the value from `--executor_input {{{{$}}}}`"


@error("placeholder-in-environment", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/driver.go")
def in_environment(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not put in placeholders within environment variables.

    `set_env_variable(name, value)` goes into the pod as it stands. Pass what changes from run to run as a parameter.
    """
    for place, value in document.variables():
        if (found := _PLACEHOLDER.search(value)) and not _VERTEX_ONLY.search(value):
            yield place, f"Kubeflow leaves {found[0]} as it is; pass it as a parameter"


@error("vertex-placeholder", "kubeflow", "local", link=_DRIVER)
def vertex_only(document: Document) -> Iterator[tuple[str, str]]:
    """Some placeholders have a value on Vertex AI only.

    `{{$.pipeline_google_cloud_location}}` and its like, and `{{$.pipeline_service_account}}`, are left as they are by Kubeflow, and end a local run.
    Make the project, location and service account parameters of the pipeline.
    """
    for place, text in document.texts():
        if found := _VERTEX_ONLY.search(text):
            yield place, f"{found[0]} has a value on Vertex AI only; make it a parameter of the pipeline"


@error("value-placeholder", "kubeflow", link=_DRIVER)
def value(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow puts in seven of the job's placeholders as the value of an input, and no other.

    They are the job's name, resource name, id, creation and schedule time, and the task's name and id. `dsl.PIPELINE_ROOT_PLACEHOLDER` and the
    executor's placeholders stay as they are: make the value a parameter.
    """
    for place, text in _constant_texts(document):
        known = _INPUT.fullmatch(text) or _VERTEX_ONLY.search(text) or _WORKSPACE in text
        if _PLACEHOLDER.fullmatch(text) and not known and text not in _KUBEFLOW_VALUES:
            yield place, f"Kubeflow leaves {text} as it is; pass the value as a parameter"


@error("job-placeholder-in-text", "kubeflow", link=_DRIVER)
def job_in_text(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow puts in `{{$.pipeline_*}}` only where it is the whole value.

    In an f-string, such as `f"run-{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"`, or within a list or dict, it stays as it is. Pass the placeholder as a
    parameter of its own and put the text together inside the component.
    """
    for place, constant in document.constants():
        for inner, text in strings(constant, place):
            found = _JOB.search(text)
            if found and not _VERTEX_ONLY.search(text) and (inner != place or found[0] != text):
                yield inner, f"Kubeflow puts {found[0]} in only where it is the whole value; pass it as a parameter of its own"


@warning("placeholder-in-text", "kubeflow", link=f"{ISSUE}11035")
def input_in_text(document: Document) -> Iterator[tuple[str, str]]:
    """An f-string around a parameter or a task's output is fragile on Kubeflow.

    Its launcher puts the value into the JSON of the executor input as plain text: a quote, a backslash or a line break in it breaks the task, and
    values have been reported to be left out. Pass the values as parameters of their own and put the text together inside the component. kfp's
    compiler writes `set_accelerator_type(parameter)` and its like so, too: `penstock compile`, `submit` and `upload` mend that.
    """
    for place, constant in document.constants():
        for inner, text in strings(constant, place):
            if found := _INPUT.search(text):
                yield inner, f"{found[0]} within a text: a quote in the value breaks the task; pass it as a parameter of its own"


@error("channel-in-collection", link=f"{ISSUE}12040")
def channel(document: Document) -> Iterator[tuple[str, str]]:
    """An older kfp left parameters within a list or dict unresolved.

    The file then has the compiler's own mark, `{{channel:task=...}}`, which no backend knows. Compile it again with a newer kfp, or pass the value
    as a parameter of its own.
    """
    for place, text in document.texts():
        if "{{channel:" in text:
            yield place, "the compiler left a mark of its own, which no backend resolves; compile it with a newer kfp"


@error("workspace-placeholder", "vertex", link=f"{SOURCE}sdk/python/kfp/dsl/pipeline_config.py")
def workspace(document: Document) -> Iterator[tuple[str, str]]:
    """A workspace exists on Kubeflow and locally only.

    `dsl.WORKSPACE_PATH_PLACEHOLDER` is a volume that Kubernetes gives to a run. Vertex AI has none: pass data as artifacts.
    """
    for place, text in document.texts():
        if _WORKSPACE in text:
            yield place, f"Vertex AI has no workspace and leaves {_WORKSPACE} as it is; pass data as artifacts"


@warning("job-placeholder-local", "local", link=f"{SOURCE}sdk/python/kfp/local/placeholder_utils.py")
def job_local(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local raises IndexError on the job's resource name and times.

    It knows the job's name and id and the task's. `penstock run` mends this.
    """
    for place, text in document.texts():
        for found in _JOB.findall(text):
            if found not in _LOCAL_VALUES and not _VERTEX_ONLY.fullmatch(found):
                yield place, f"kfp.local raises IndexError on {found}; use `penstock run`"


def _constant_texts(document: Document) -> Iterator[tuple[str, str]]:
    return ((place, constant) for place, constant in document.constants() if isinstance(constant, str))


def _in_args(place: str) -> bool:
    return ".args[" in place
