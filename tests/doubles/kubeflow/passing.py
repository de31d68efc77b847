"""What Kubeflow makes of the values and the files that pass between tasks.

Seen on a real installation of 2.17.0, or read in its sources (kubeflow/pipelines, backend/src at 2.17.0); each function names its own.
"""

import json
import re
from pathlib import Path
from typing import Any

# Linux's MAX_ARG_STRLEN: argoexec gets the executor input and the run's parameters in one argument each, and cannot start (seen).
LONGEST_ARGUMENT = 131_071
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_WORKFLOW = re.compile(r"\{\{workflow\.(name|namespace|uid)\}\}")
_SUM = re.compile(r"\{\{=\s*(\d+)\s*\+\s*(\d+)\s*\}\}")
_KUBERNETES = re.compile(r"\$\$|\$\(([^()]*)\)")
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_SESSION = json.dumps({"Provider": "minio", "Params": {"endpoint": "seaweedfs.kubeflow:9000", "secretName": "mlpipeline-minio-artifact"}})


class Refused(Exception):
    """The launcher fails the task, in its words."""


def stops_reports(text: str) -> bool:
    """Tells whether the API server cannot store a value: `Incorrect string value` (apiserver/client/sql.go: charset utf8).

    The run then stays RUNNING for ever (seen).
    """
    return bool(_WIDE.search(text))


def expanded_by_argo(text: str, workflow: str) -> str:
    """Replaces Argo's variables, and evaluates its expressions, of which this knows sums (seen: `{{workflow.name}}`, `{{=1+1}}`)."""
    values = {"name": workflow, "namespace": "kubeflow", "uid": "0"}
    text = _WORKFLOW.sub(lambda found: values[found[1]], text)
    return _SUM.sub(lambda found: str(int(found[1]) + int(found[2])), text)


def expanded_by_kubernetes(text: str, variables: dict[str, str]) -> str:
    """Replaces `$$` and `$(NAME)` as the kubelet does in commands and arguments; an unknown name stays (seen)."""
    return _KUBERNETES.sub(lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]), text)


def in_template(text: str) -> int:
    """Returns how many bytes an executor input takes in the template of its pod, within KFP's patch of the pod (both `json.Marshal`).

    Argo's controller gives the template to the pod in a variable; one of 128 KiB or more it puts into a ConfigMap, which its account may
    not create (workflow/controller/workflowpod.go of Argo 4.0.5, lines 333 and 490; Kubeflow's third-party/argo).
    """
    for _ in range(2):
        text = json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return len(text.encode())


def filled_in(text: str, values: dict[str, Any]) -> str:
    """Puts parameters into an argument as the launcher does, without escaping (component/launcher_v2.go:1069; seen: a quote breaks the JSON)."""
    return _PLACEHOLDER.sub(lambda found: _text(values[found[1]]) if found[1] in values else found[0], text)


def as_protobuf(value: Any) -> Any:
    """Returns what is left of a JSON value: a number is a double (seen: integers above 2^53 lose digits)."""
    if isinstance(value, dict):
        return {name: as_protobuf(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_protobuf(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(float(value)) if float(value).is_integer() else float(value)
    return value


def recorded(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns an artifact's metadata as ML Metadata keeps it, which is what its consumers get (metadata/converter.go:139, seen).

    Raises:
        Refused: There is a null.
    """
    return {name: _recorded(as_protobuf(value)) for name, value in metadata.items()}


def as_input(artifact: dict[str, Any], number: int) -> dict[str, Any]:
    """Returns an input artifact as a task gets it (metadata/converter.go:187, client.go:1144 and 1249, seen)."""
    added = {"display_name": artifact.get("name", ""), "store_session_info": _SESSION}
    return artifact | {"name": str(number), "type": {"instanceSchema": ""}, "metadata": (artifact.get("metadata") or {}) | added}


def kept(path: Path) -> None:
    """Makes of an output what a consumer gets of it through the bucket (objectstore/object_store.go:128, 251; seen).

    Empty folders vanish, also the artifact's own; links to files become files; every file's mode is 0666, less the umask.

    Raises:
        Refused: A link to a folder is there.
    """
    if path.is_symlink() or not path.is_dir():
        if path.exists():
            _keep_file(path)
        return
    for child in list(path.iterdir()):
        kept(child)
    if not any(path.iterdir()):
        path.rmdir()


def output_parameter(name: str, kind: str, given: dict[str, Any], file: Path) -> Any:
    """Returns an output parameter: of the executor output, or else of its file (launcher_v2.go:504, seen).

    Raises:
        Refused: It is in neither.
    """
    if name in given:
        value = as_protobuf(given[name])
        return "" if value is None and kind == "STRING" else value  # seen
    try:
        text = file.read_text()
    except OSError as error:
        raise Refused(
            f'failed to read output parameter name="{name}" type="{kind}" path="{file}": open {file}: no such file or directory'
        ) from error
    return text if kind == "STRING" else as_protobuf(json.loads(text))


def _recorded(value: Any) -> Any:
    if value is None:
        raise Refused("failed to convert RuntimeArtifact to MLMD artifact: unknown/unsupported value type *structpb.Value_NullValue")
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list):
        return {"list": value}
    return {"struct": value} if isinstance(value, dict) else value


def _keep_file(path: Path) -> None:
    if path.is_dir():
        raise Refused(f'uploadFile(): unable to complete copying "{path}" to remote storage: read {path}: is a directory')
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)  # with the mode of a new file


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
