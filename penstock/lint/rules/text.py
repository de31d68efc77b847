"""Plain text that a backend takes for something else."""

import re
from collections.abc import Iterator
from typing import Any

from penstock.components.protocol.values import LARGEST_WHOLE

from ...spec.document import Document, parameters_of, place_of, strings
from ..registry import error, warning
from .links import ISSUE, PULL, SOURCE

# What Argo has a value for; a Jinja template passes. `{{channel:` has a rule of its own, and every `{{$` is a placeholder.
_EXPRESSION = re.compile(r"\{\{(?:=|\s*(?:workflow|inputs|outputs|tasks|steps|pod|node|item|retries|lastRetry|cronworkflow)\b)")
_BRACES = re.compile(r"\{\{(?!\$|channel:)")
# What the tables of Kubeflow's API server cannot store.
WIDE = re.compile("[\U00010000-\U0010ffff]")
_VARIABLE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)")
_WHOLE = "NUMBER_INTEGER"
_CURE = (
    "give the path or URI of a file that contains it; `penstock submit`, `upload` and `compile` encode values "
    "that only Penstock's components read"
)


@error("argo-expression", "kubeflow", link="https://argo-workflows.readthedocs.io/en/latest/variables/")
def argo_expression(document: Document) -> Iterator[tuple[str, str]]:
    """Argo replaces `{{workflow.name}}` and similar texts, and evaluates `{{=...}}`.

    It does so in command lines, defaults and values, including the parameters of a run: `{{=1+1}}` arrives as `2`, and
    `{{inputs.parameters.x}}` prevents the run. Put the text into a file in the image or in the bucket, or encode it. `penstock submit` and
    `penstock upload` encode what only Penstock's components read.
    """
    for place, text in document.texts():
        if found := _EXPRESSION.search(text):
            yield place, f"Argo replaces {text[found.start() : found.start() + 24]!r}; {_CURE}"


@warning("double-braces", "kubeflow", link=f"{PULL}1476")
def double_braces(document: Document) -> Iterator[tuple[str, str]]:
    """Argo may expand `{{...}}` in plain text.

    On Kubeflow, command lines, defaults and values become part of an Argo workflow. In our tests, Argo left unknown expressions such as a
    Jinja template unchanged, but it does not document that. Put the text into a file in the image or in the bucket, or encode it, as
    Penstock packs user modules.
    """
    for place, text in document.texts():
        if (found := _BRACES.search(text)) and not _EXPRESSION.search(text):
            yield place, f"Argo may expand {text[found.start() : found.start() + 24]!r}; encode the text or read it from a file"


@error("double-dollar", "kubeflow", link=f"{ISSUE}10370")
def double_dollar(document: Document) -> Iterator[tuple[str, str]]:
    """Kubernetes replaces `$$` by `$`.

    It does so in every argument and environment variable of a pod, and therefore also in the values of the executor input. A password or a
    regular expression with `$$` changes.
    """
    for place, text in document.texts():
        if "$$" in text:
            yield place, f"Kubernetes replaces `$$` by `$`; {_CURE}"


@error("variable-in-text", "kubeflow", link="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/")
def variable(document: Document) -> Iterator[tuple[str, str]]:
    """Kubernetes replaces `$(NAME)` by the value of the variable.

    It does so if the container has such a variable (each has `KFP_POD_NAME` and more), also in the values of the executor input. In a
    command line this may be intended, but rarely in a default, a constant or a parameter of a run.
    """
    for place, value in [*document.constants(), *document.defaults()]:
        for inner, text in strings(value, place):
            if found := _VARIABLE.search(text):
                yield inner, f"Kubernetes replaces {found[0]} by a variable; {_CURE}"


@error("wide-character", "kubeflow", link=f"{SOURCE}backend/src/apiserver/client/sql.go")
def wide_character(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, a run with a character beyond U+FFFF, such as an emoji, never ends.

    The tables of the API server store characters of at most three bytes of UTF-8. The server can no longer write the state of the run
    (`Incorrect string value`), and the run stays RUNNING forever. This applies to the whole file including descriptions, to parameters, and
    to the outputs of tasks.
    """
    for place, text in [*strings(document.spec, ""), *strings(document.platform, "")]:
        if found := WIDE.search(text):
            yield (
                place.strip("."),
                f"Kubeflow cannot store {found[0]!r} (U+{ord(found[0]):X}), so the run never ends; remove it, or {_CURE}",
            )


@error("large-number", link="https://protobuf.dev/reference/protobuf/google.protobuf/#value")
def large_number(document: Document) -> Iterator[tuple[str, str]]:
    """An integer above 2^53 loses digits.

    A parameter travels as a protobuf Value, whose numbers are doubles: 9007199254740993 arrives as 9007199254740992 on every backend. Pass
    it as text. Within a list or dict that only Penstock's components read, `penstock run` and `penstock submit` encode it.
    """
    for place, value, kind in _typed(document):
        if any(abs(number) > LARGEST_WHOLE and (isinstance(number, int) or kind == _WHOLE) for number in _numbers(value)):
            yield place, "an integer above 2^53 loses digits; pass it as text"


def _typed(document: Document) -> Iterator[tuple[str, Any, str]]:
    """Yields every default and constant with the type of its parameter."""
    for name, component in document.components.items():
        for parameter, spec in parameters_of(component).items():
            yield (
                f"{place_of(name)}.inputDefinitions.parameters.{parameter}.defaultValue",
                spec.get("defaultValue"),
                spec.get("parameterType", ""),
            )
    for task in document.tasks():
        kinds = parameters_of(task.component)
        for name, given in task.parameters.items():
            constant = given.get("runtimeValue", {}).get("constant")
            yield f"{task.place}.inputs.parameters.{name}.runtimeValue.constant", constant, kinds.get(name, {}).get("parameterType", "")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
