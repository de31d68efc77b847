"""Plain text that a backend takes for something else."""

import re
from collections.abc import Iterator

from ..document import Document
from ..registry import warning
from .links import ISSUE, PULL

# `{{channel:` has a rule of its own, and every `{{$` is a placeholder.
_BRACES = re.compile(r"\{\{(?!\$|channel:)")


@warning("double-braces", "kubeflow", link=f"{PULL}1476")
def double_braces(document: Document) -> Iterator[tuple[str, str]]:
    """Argo expands `{{...}}` in plain text.

    On Kubeflow, command lines, defaults and values become part of an Argo workflow, where `{{workflow.name}}`, `{{inputs.parameters.x}}` and the
    like are expanded, and `{{=...}}` is evaluated. A Jinja template or a Python f-string with escaped braces can come out as something else, or
    keep the workflow from starting. Put the text into a file in the image or in the bucket, or encode it, as Penstock packs user modules.
    """
    for place, text in document.texts():
        if found := _BRACES.search(text):
            yield place, f"Argo may expand {text[found.start() : found.start() + 24]!r}; encode the text or read it from a file"


@warning("double-dollar", "kubeflow", link=f"{ISSUE}10370")
def double_dollar(document: Document) -> Iterator[tuple[str, str]]:
    """Kubernetes makes `$$` one `$`.

    It does so in every argument and environment variable of a pod, so also in values that arrive within the executor input: a password or a
    regular expression with `$$` comes out changed.
    """
    for place, text in document.texts():
        if "$$" in text:
            yield place, "Kubernetes makes `$$` one `$`; encode the text or read it from a file"
