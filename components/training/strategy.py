"""Which strategy shares the training among devices and workers. TFX leaves it to the module; one that makes its own gets no other, for two cannot be nested."""

import ast
import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from penstock.components.protocol import TaskError, figure

from .team import this_worker

MIRRORED = "tensorflow.distribute.MirroredStrategy"
MULTI_WORKER = "tensorflow.distribute.MultiWorkerMirroredStrategy"


def join_team(sources: Iterable[str]) -> None:
    """Waits for the other workers, if there are any, and connects to them.

    Call it before anything of TensorFlow runs, which a module may do when it is imported.

    Args:
        sources: The sources of the module and of what came with it.

    Raises:
        TaskError: The module makes a strategy that would train a model of its own in each worker.
    """
    own = _own(sources)
    if not own:
        _team_strategy()
    elif this_worker().size > 1 and own.rpartition(".")[2] == MIRRORED.rpartition(".")[2]:
        raise TaskError(
            f"run_fn creates its own strategy, {own}, which stays within one worker; let it create none, or a MultiWorkerMirroredStrategy"
        )


@contextmanager
def strategy_scope(devices: list[str], sources: Iterable[str]) -> Iterator[str]:
    """Returns the scope for run_fn and the name of its strategy, or an empty name.

    Args:
        devices: The devices of this machine to train on: MirroredStrategy where there are several, unless the module makes a strategy of
            its own, or several workers train.
        sources: The sources of the module and of what came with it.
    """
    if own := _own(sources):
        figure(f"run_fn creates its own strategy, {own}")
        yield own
    elif team := _team_strategy():
        figure(f"{MULTI_WORKER} distributes the batches to {this_worker().size} workers, {team.num_replicas_in_sync} devices in all")
        with team.scope():
            yield MULTI_WORKER
    elif len(devices) > 1:
        figure(f"{MIRRORED} distributes the batches to {len(devices)} devices: {', '.join(devices)}")
        with tf.distribute.MirroredStrategy(devices).scope():
            yield MIRRORED
    else:
        yield ""


def _own(sources: Iterable[str]) -> str:
    return next(filter(None, map(own_strategy, sources)), "")


@functools.cache  # a process can have only one
def _team_strategy() -> tf.distribute.Strategy | None:
    is_alone = this_worker().size == 1 or keras.config.backend() != "tensorflow"  # on JAX, the module connects the workers
    return None if is_alone else tf.distribute.MultiWorkerMirroredStrategy()


def own_strategy(source: str) -> str:
    """Returns the strategy that a module makes, as its syntax tree says; empty if it makes none.

    Comments and texts say nothing, and neither do names that other packages give. What only asks for the strategy that there is, such as
    `tf.distribute.get_strategy()`, makes none. A module that passes `tf.distribute` on has a strategy of its own.

    Args:
        source: The module's source.

    Returns:
        Its name, such as `tensorflow.distribute.MirroredStrategy`.
    """
    tree = ast.parse(source)
    references = _References(_bound_names(tree))
    references.visit(tree)
    return next(filter(_makes_strategy, references.found), "")


def _makes_strategy(path: str) -> bool:
    package, *parts = path.split(".")
    if package != "tensorflow" or "distribute" not in parts:
        return False
    inside = parts[parts.index("distribute") + 1 :]
    return not inside or any(
        name == "experimental_set_strategy" or (name.endswith(("Strategy", "StrategyV1", "StrategyV2")) and name != "Strategy")
        for name in inside
    )


class _References(ast.NodeVisitor):
    """Finds what is used of imported modules, by its full name."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self.found: list[str] = []

    def visit_Assign(self, node: ast.Assign) -> None:
        """Passes over what only gives another name."""
        if not _alias(node, self._names):
            self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Takes a module whose every name is imported."""
        if node.names[0].name == "*" and not node.level:
            self.found.append(str(node.module))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Takes the whole of `a.b.c`, and not its parts."""
        if path := _path(node, self._names):
            self.found.append(path)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Takes a name that was imported."""
        if isinstance(node.ctx, ast.Load) and node.id in self._names:
            self.found.append(self._names[node.id])


def _bound_names(tree: ast.Module) -> dict[str, str]:
    """Returns the full name behind each name that an import, or an assignment of an imported name, gives."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict(_bound(name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            given = ["distribute"] if node.names[0].name == "*" else []  # of all that TensorFlow gives, what matters here
            names |= {name: f"{node.module}.{name}" for name in given}
            names |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    while found := dict(alias for node in assignments if (alias := _alias(node, names)) and alias[0] not in names):
        names |= found
    return names


def _bound(name: ast.alias) -> tuple[str, str]:
    top = name.name.partition(".")[0]
    return (name.asname, name.name) if name.asname else (top, top)


def _alias(node: ast.Assign, names: dict[str, str]) -> tuple[str, str] | None:
    path = _path(node.value, names)
    return (node.targets[0].id, path) if path and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) else None


def _path(node: ast.expr, names: dict[str, str]) -> str:
    """Returns the full name of `a.b.c`; empty where `a` was not imported."""
    if isinstance(node, ast.Attribute):
        base = _path(node.value, names)
        return base and f"{base}.{node.attr}"
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""
