"""What kfp's compiler forgets: a pipeline's parameter that only a resource of a task in a loop or a condition names.

`set_accelerator_type(parameter)` gives the task an input from the group around it, but the group has none of this name: kfp.local and
Kubeflow do not find it. No issue is known; `test_handed_down.py` fails when the compiler no longer forgets it.
"""

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]
_CHANNEL = "pipelinechannel--"
_SOURCE = "componentInputParameter"


def handed_down(spec: Spec) -> Spec:
    """Returns a PipelineSpec (JSON form) in which each group is given what its tasks take of the pipeline's parameters; changes it in place."""
    definitions = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    while missing := next(_missing(spec, definitions), None):
        group, channel = missing
        inputs = spec["components"][group].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        own = channel.removeprefix(_CHANNEL)
        inputs[channel] = {"parameterType": definitions[own]["parameterType"]}
        for name, component in (("root", spec["root"]), *spec["components"].items()):
            for task in component.get("dag", {}).get("tasks", {}).values():
                if task["componentRef"]["name"] == group:
                    source = own if name == "root" else channel
                    task.setdefault("inputs", {}).setdefault("parameters", {})[channel] = {_SOURCE: source}
    return spec


def _missing(spec: Spec, definitions: Spec) -> Iterator[tuple[str, str]]:
    """Yields each group with an input that its tasks take and that it does not have."""
    for group, component in spec.get("components", {}).items():
        known = component.get("inputDefinitions", {}).get("parameters", {})
        for task in component.get("dag", {}).get("tasks", {}).values():
            for given in task.get("inputs", {}).get("parameters", {}).values():
                channel = given.get(_SOURCE, "")
                if channel.startswith(_CHANNEL) and channel not in known and channel.removeprefix(_CHANNEL) in definitions:
                    yield group, channel
