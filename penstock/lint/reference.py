"""The rules as a page, and one by one."""

import difflib
from itertools import chain

import click

from .registry import BACKENDS, Rule, all_rules

NAMES = {"kubeflow": "Kubeflow", "vertex": "Vertex AI", "local": "a laptop"}

_HEAD = """\
# Lint: does this pipeline run elsewhere?

```console
$ penstock lint flight_delay_training
$ penstock lint pipeline.yaml --target kubeflow --target vertex
$ penstock lint pipeline.yaml --format json
$ penstock lint --explain concat-placeholder
```

`penstock lint` reads a compiled KFP file of any compiler and reports what Kubeflow, Vertex AI or a laptop (`penstock run`, kfp.local)
rejects or silently does differently. It needs neither a network nor an account.

| Exit code | Meaning |
|---|---|
| 0 | There are no errors. There may be warnings. |
| 1 | There are errors. |
| 2 | The command is invalid, or the file is not a compiled pipeline. |

An *error* means that a backend rejects the file, fails, or does something different from what the file says. A *warning* means that the
file works, but possibly not as you expect, or not everywhere. `penstock lint` knows KFP 2.17. Each rule names the issue, source or page
that it is based on.

Some features work in the same way everywhere and need no rule: If, Elif and Else, nested pipelines, static loops and `dsl.Collected`, exit
handlers and `ignore_upstream_failure`.

No rule sees what a container does. On every backend, a container must create the folders of its outputs, write every output parameter that
it declares, and name its artifacts in the executor output file. An input that was not given may be missing or `null`. A container reads and
writes artifacts at their paths, not by their URIs (kubeflow/pipelines#13476).
"""


def find(name: str) -> Rule:
    """Returns a rule by its name.

    Raises:
        UsageError: There is no rule of that name.
    """
    known = {rule.id: rule for rule in all_rules()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    raise click.UsageError(f"there is no rule {name}" + (f"; did you mean {close[0]}?" if close else "; see docs/lint.md"))


def page() -> str:
    """Returns `docs/lint.md`."""
    marks = {True: "x", False: ""}
    head = ["| Rule | Severity | Kubeflow | Vertex AI | Laptop | Summary |", "|---|---|---|---|---|---|"]
    rows = [
        f"| [`{rule.id}`](#{rule.id}) | {rule.severity} | {' | '.join(marks[backend in rule.backends] for backend in BACKENDS)} | {rule.summary} |"
        for rule in all_rules()
    ]
    return "\n\n".join([_HEAD.rstrip(), "\n".join([*head, *rows]), *map(section, all_rules())]) + "\n"


def section(rule: Rule) -> str:
    """Returns what there is to say of a rule, as Markdown."""
    where = " and ".join(filter(None, [", ".join(_names(rule)[:-1]), _names(rule)[-1]]))
    summary, _, rest = rule.reason.partition("\n\n")
    paragraphs = chain([f"**{_joined(summary)}**"], map(_joined, rest.split("\n\n") if rest else []))
    return "\n\n".join([f"## {rule.id}", f"{rule.severity.capitalize()} on {where}.", *paragraphs, f"See <{rule.link}>."])


def _names(rule: Rule) -> list[str]:
    return [NAMES[backend] for backend in rule.backends]


def _joined(paragraph: str) -> str:
    return " ".join(paragraph.split())
