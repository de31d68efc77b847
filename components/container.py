"""The one protocol by which every backend starts every task."""

from kfp import dsl

from .images import REGISTRY, image

__all__ = ["REGISTRY", "container", "image"]


def container(family: str, component: str) -> dsl.ContainerSpec:
    """Returns the container of a component: its family's image, and the command that reads the executor input."""
    return dsl.ContainerSpec(
        image=image(family),
        command=["python", "-m", f"penstock.components.{component}"],
        args=["--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER],
    )
