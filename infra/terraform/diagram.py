"""Draws what each environment makes, from the configuration: `python3 infra/terraform/diagram.py` writes it into docs/infrastructure.md, `--check` only compares.

It reads files as `terraform fmt` leaves them, and needs nothing but Python.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# What a module without resources is for.
_OUTPUTS = {"settings": ["penstock.toml", "platform settings"], "alert_rules": ["rules.yaml"]}
HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "infrastructure.md"
BEGIN, END = "<!-- diagram: written by infra/terraform/diagram.py -->", "<!-- /diagram -->"
BLOCK = re.compile(r'^(\w+)((?: "[^"]+")*) \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"\bmodule\.(\w+)(?:\.(\w+))?")
LOCAL = re.compile(r"\blocal\.(\w+)")


@dataclass
class Module:
    """A folder of configuration: what it makes, what it calls, and on whose outputs each call and each output rests."""

    resources: list[str] = field(default_factory=list)
    calls: dict[str, "Module"] = field(default_factory=dict)
    uses: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    outputs: dict[str, set[tuple[str, str]]] = field(default_factory=dict)


def read(folder: Path) -> Module:
    """Reads one folder, and those that it calls."""
    module = Module()
    blocks = [
        (kind, re.findall(r'"([^"]+)"', labels), body)
        for path in sorted(folder.glob("*.tf"))
        for kind, labels, body in BLOCK.findall(re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    ]
    local = {
        name: value
        for kind, _, body in blocks
        if kind == "locals"
        for name, value in re.findall(r"^  (\w+) += (.*?)(?=^  \w+ += |\Z)", body, re.MULTILINE | re.DOTALL)
    }

    def references(text: str, seen: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
        found = set(REFERENCE.findall(text))
        for name in set(LOCAL.findall(text)) - seen:
            found |= references(local.get(name, ""), seen | {name})
        return found

    for kind, labels, body in blocks:
        if kind == "resource":
            module.resources.append(labels[0])
        elif kind == "module":
            source = re.search(r'source += "(\.[^"]+)"', body)
            assert source, f"{folder}: module {labels[0]} comes from somewhere else"
            module.calls[labels[0]] = read((folder / source[1]).resolve())
            module.uses[labels[0]] = references(body)
        elif kind == "output":
            module.outputs[labels[0]] = references(body)
    return module


def draw(name: str) -> str:
    """Draws an environment: a box for each module with what it makes, an arrow for each that rests on another's outputs."""
    lines = ["flowchart LR"]
    arrows: set[tuple[str, str]] = set()
    root = read(HERE / "environments" / name)

    def ends(module: Module, call: str, output: str, path: str) -> set[str]:
        """Finds which boxes give an output."""
        called, place = module.calls[call], f"{path}{call}"
        if not called.calls:
            return {place}
        return {end for inner, its in called.outputs.get(output, ()) for end in ends(called, inner, its, f"{place}_")}

    def kinds(module: Module) -> list[str]:
        return [
            re.sub(r"^(google|kubernetes)_|_v\d$", "", kind) for kind in dict.fromkeys(module.resources) if not kind.startswith("random_")
        ]

    def boxes(module: Module, path: str, indent: str, given: set[str]) -> None:
        for call, called in module.calls.items():
            place = f"{path}{call}"
            rests_on = {end for other, output in module.uses[call] for end in ends(module, other, output, path)}
            if called.calls:
                lines.append(f"{indent}subgraph {place}[{call}]")
                if called.resources:
                    lines.append(f'{indent}  {place}_itself["{"<br/>".join(kinds(called))}"]')
                boxes(called, f"{place}_", indent + "  ", rests_on)
                lines.append(f"{indent}end")
                arrows.update((end, place) for end in rests_on)
            else:
                lines.append(f'{indent}{place}["{"<br/>".join([f"<b>{call}</b>", *(kinds(called) or _OUTPUTS[call])])}"]')
                arrows.update((end, place) for end in rests_on)

    boxes(root, "", "  ", set())
    lines += [
        f"  {start} --> {end}"
        for start, end in sorted(arrows)
        if start != end and not end.startswith(f"{start}_") and not start.startswith(f"{end}_")
    ]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def main() -> int:
    """Writes the page, or says that it is not what the configuration makes."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = "\n\n".join(f"### {path.name}\n\n{draw(path.name)}" for path in sorted((HERE / "environments").iterdir()) if path.is_dir())
    new = f"{before}{BEGIN}\n{drawn}\n{END}{after}"
    if "--check" not in sys.argv:
        PAGE.write_text(new)
    elif new != page:
        print(f"{PAGE.name} does not show what the configuration makes: python3 infra/terraform/diagram.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
