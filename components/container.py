"""Shared by all interfaces: the protocol by which every backend starts every task, and the mark of components that are never cached."""

from typing import Any

from kfp import dsl
from kfp.components import ContainerComponent

from penstock.kfp_adapter.dsl import TaskState
from penstock.kfp_adapter.pipeline_spec import pipeline_spec_pb2

from .images import REGISTRY, image

__all__ = ["REGISTRY", "NeverCached", "container", "image", "never_cached"]


def container(family: str, component: str) -> dsl.ContainerSpec:
    """Returns the container of a component: its family's image, and the command that reads the executor input."""
    return dsl.ContainerSpec(
        image=image(family),
        command=["python", "-m", f"penstock.components.{component}"],
        args=["--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER],
    )


class NeverCached(ContainerComponent):
    """A component whose outputs must not be cached, because it changes the outside world or reports its state."""

    def __call__(self, *args: Any, **kwargs: Any) -> dsl.PipelineTask:
        """Makes a task that is not cached."""
        task = super().__call__(*args, **kwargs)
        # Outside of a pipeline kfp.local has run it by now, and has kept nothing.
        return task if task.state == TaskState.FINAL else task.set_caching_options(False)

    @property
    def pipeline_spec(self) -> pipeline_spec_pb2.PipelineSpec:
        """The component alone, as a pipeline of one task."""
        spec = super().pipeline_spec
        for task in spec.root.dag.tasks.values():
            task.caching_options.enable_cache = False
        return spec


def never_cached(component: ContainerComponent) -> NeverCached:
    """Marks a component whose outputs no cache may keep."""
    return NeverCached(component.component_spec, component.pipeline_func)
