"""Makes SavedModels reproducible: the same graph and weights give the same bytes, whatever run saved them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tensorflow.core.framework import attr_value_pb2
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

from penstock.components.protocol.fingerprint import fingerprint

_GRAPH, _FINGERPRINT, _ASSETS = "saved_model.pb", "fingerprint.pb", "assets"


def settle_transform(folder: Path, scratch: str) -> None:
    """Takes out of tf.Transform's SavedModel what each analysis makes anew.

    The order of a function's nodes, which means nothing, is that of a set. A lookup table is named after the scratch folder of its
    vocabulary. Tables of one name are one table to a process that loads two SavedModels, so the name that takes its place is a hash
    of the graph and of every vocabulary.

    Args:
        folder: The SavedModel.
        scratch: The scratch folder.
    """
    saved = saved_model_pb2.SavedModel.FromString((folder / _GRAPH).read_bytes())
    for meta_graph in saved.meta_graphs:
        for function in meta_graph.graph_def.library.function:
            function.node_def.sort(key=lambda node: node.name)
    names = [name for name in _shared_names(saved) if scratch.encode() in name.s]
    for name in names:
        name.s = name.s.replace(scratch.encode(), b"")
    digest = hashlib.sha256(saved.SerializeToString(deterministic=True))
    if (folder / _ASSETS).is_dir():
        digest.update(fingerprint(folder / _ASSETS).encode())
    for name in names:
        name.s = digest.hexdigest().encode() + b"/" + name.s
    (folder / _GRAPH).write_bytes(saved.SerializeToString(deterministic=True))
    settle_fingerprint(folder)


def settle_fingerprint(folder: Path) -> None:
    """Makes TensorFlow's own `fingerprint.pb` that of the bytes that are there, and its random id a hash of them.

    Args:
        folder: The SavedModel; one without the file is left alone.
    """
    file = folder / _FINGERPRINT
    if file.exists():
        # TensorFlow's API reads fingerprints (tf.saved_model.experimental.read_fingerprint), but writes them only while it exports a model.
        made = fingerprint_pb2.FingerprintDef.FromString(fingerprinting.CreateFingerprintDef(str(folder)))
        made.uuid = str(int(hashlib.sha256((folder / _GRAPH).read_bytes()).hexdigest()[:32], 16))
        file.write_bytes(made.SerializeToString(deterministic=True))


def _shared_names(saved: saved_model_pb2.SavedModel) -> Iterator[attr_value_pb2.AttrValue]:
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            yield from (node.attr["shared_name"] for node in nodes if "shared_name" in node.attr)
