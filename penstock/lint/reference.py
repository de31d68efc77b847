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

`penstock lint` reads a compiled KFP file, whoever compiled it, and says what Kubeflow, Vertex AI or a laptop (`penstock run`, kfp.local) would refuse, or do
otherwise without a word. It needs neither a network nor an account. Exit code 0: no errors (there may be warnings). 1: errors. 2: wrong usage, or no
compiled pipeline.

An *error* is refused, fails, or does something else than the file says. A *warning* works, but not as one may think, or not everywhere.
`penstock lint` knows KFP 2.17; each rule names the issue, source or page that it rests on.

What needs no rule: If, Elif and Else, nested pipelines, static loops and `dsl.Collected`, exit handlers and `ignore_upstream_failure`
do the same everywhere.

What no rule sees is what a container does. Everywhere it must make the folders of its outputs, write every output parameter that it declares, and name its artifacts in the
executor's output file; an input that was not given may be missing, or `null`; artifacts are read and written at their paths, not by their URIs (kubeflow/pipelines#13476).
"""


def find(name: str) -> Rule:
    """Returns a rule by its name.

    Raises:
        UsageError: There is none of that name.
    """
    known = {rule.id: rule for rule in all_rules()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    raise click.UsageError(f"there is no rule {name}" + (f"; did you mean {close[0]}?" if close else "; docs/lint.md lists them"))


def page() -> str:
    """Returns `docs/lint.md`."""
    marks = {True: "x", False: ""}
    head = ["| Rule | | Kubeflow | Vertex AI | Laptop | What |", "|---|---|---|---|---|---|"]
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
