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
_VARIABLE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)")
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_WHOLE = "NUMBER_INTEGER"
_CURE = "give the path or URI of a file that holds it; `penstock submit`, `upload` and `compile` encode what only Penstock's own components read"


@error("argo-expression", "kubeflow", link="https://argo-workflows.readthedocs.io/en/latest/variables/")
def argo_expression(document: Document) -> Iterator[tuple[str, str]]:
    """Argo replaces `{{workflow.name}}` and the like, and evaluates `{{=...}}`.

    It does so in command lines, defaults and values, also in those that are given to a run: `{{=1+1}}` arrives as `2`. `{{inputs.parameters.x}}` keeps
    the run from being made. Put the text into a file in the image or in the bucket, or encode it. `penstock submit` and `penstock upload` encode
    what only Penstock's own components read, which decode it.
    """
    for place, text in document.texts():
        if found := _EXPRESSION.search(text):
            yield place, f"Argo puts something else in for {text[found.start() : found.start() + 24]!r}; {_CURE}"


@warning("double-braces", "kubeflow", link=f"{PULL}1476")
def double_braces(document: Document) -> Iterator[tuple[str, str]]:
    """Argo looks at `{{...}}` in plain text.

    On Kubeflow, command lines, defaults and values become part of an Argo workflow. What it knows no value for, such as a Jinja template, was seen to
    pass; nothing promises that it does. Put the text into a file in the image or in the bucket, or encode it, as Penstock packs user modules.
    """
    for place, text in document.texts():
        if (found := _BRACES.search(text)) and not _EXPRESSION.search(text):
            yield place, f"Argo may expand {text[found.start() : found.start() + 24]!r}; encode the text or read it from a file"


@error("double-dollar", "kubeflow", link=f"{ISSUE}10370")
def double_dollar(document: Document) -> Iterator[tuple[str, str]]:
    """Kubernetes makes `$$` one `$`.

    It does so in every argument and environment variable of a pod, so also in values that arrive within the executor input: a password or a
    regular expression with `$$` comes out changed.
    """
    for place, text in document.texts():
        if "$$" in text:
            yield place, f"Kubernetes makes `$$` one `$`; {_CURE}"


@error("variable-in-text", "kubeflow", link="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/")
def variable(document: Document) -> Iterator[tuple[str, str]]:
    """Kubernetes puts a variable's value in for `$(NAME)`.

    It does so wherever the container has such a variable (each has `KFP_POD_NAME` and more), also in values that arrive within the executor input.
    In a command line it may be meant; in a default, a constant or a run's parameter it hardly is.
    """
    for place, value in [*document.constants(), *document.defaults()]:
        for inner, text in strings(value, place):
            if found := _VARIABLE.search(text):
                yield inner, f"Kubernetes puts a variable in for {found[0]}; {_CURE}"


@error("wide-character", "kubeflow", link=f"{SOURCE}backend/src/apiserver/client/sql.go")
def wide_character(document: Document) -> Iterator[tuple[str, str]]:
    """A run with a character beyond U+FFFF, such as an emoji, never ends on Kubeflow.

    The API server's tables hold characters of at most three bytes of UTF-8: the state of the run cannot be written any more (`Incorrect string value`),
    and it stays RUNNING for ever. That holds for the whole file, descriptions too, for parameters, and for what tasks give back.
    """
    for place, text in [*strings(document.spec, ""), *strings(document.platform, "")]:
        if found := _WIDE.search(text):
            yield (
                place.strip("."),
                f"Kubeflow cannot store {found[0]!r} (U+{ord(found[0]):X}), so the run never ends; leave it out, or {_CURE}",
            )


@error("large-number", link="https://protobuf.dev/reference/protobuf/google.protobuf/#value")
def large_number(document: Document) -> Iterator[tuple[str, str]]:
    """A whole number above 2^53 loses digits.

    A parameter travels as a protobuf Value, whose numbers are doubles: 9007199254740993 arrives as 9007199254740992, on every backend. Pass it as
    text. Within a list or dict that only Penstock's own components read, `penstock run` and `penstock submit` encode it.
    """
    for place, value, kind in _typed(document):
        if any(abs(number) > LARGEST_WHOLE and (isinstance(number, int) or kind == _WHOLE) for number in _numbers(value)):
            yield place, "a whole number above 2^53 loses digits; pass it as text"


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
