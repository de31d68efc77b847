"""Makes SavedModels reproducible: the same graph and weights give the same bytes, whatever run saved them."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tensorflow.core.framework import attr_value_pb2
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

from penstock.components.protocol.fingerprint import fingerprint

_GRAPH, _FINGERPRINT, _ASSETS = "saved_model.pb", "fingerprint.pb", "assets"
_GIVEN_NAME = "_user_specified_name"


def settle_transform(folder: Path, scratch: str) -> None:
    """Takes out of tf.Transform's SavedModel what each analysis makes anew.

    The names of functions and of what they capture count what the process had made before. The order of the functions and of a function's nodes,
    which means nothing, is that of a set. A lookup table is named after the scratch folder of its
    vocabulary. Tables of one name are one table to a process that loads two SavedModels, so the name that takes its place is a hash
    of the graph and of every vocabulary.

    Args:
        folder: The SavedModel.
        scratch: The scratch folder.
    """
    saved = saved_model_pb2.SavedModel.FromString((folder / _GRAPH).read_bytes())
    for meta_graph in saved.meta_graphs:
        functions = meta_graph.graph_def.library.function
        _replace(meta_graph, _renumbered([function.signature.name for function in functions]))
        functions.sort(key=lambda function: function.signature.name)
        for function in functions:
            function.node_def.sort(key=lambda node: node.name)
            for argument in function.arg_attr.values():
                if _GIVEN_NAME in argument.attr and argument.attr[_GIVEN_NAME].s.isdigit():  # the user gave no name
                    del argument.attr[_GIVEN_NAME]
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


def _renumbered(names: list[str]) -> dict[str, str]:
    """Returns names with a number at their end with one that says only which of them was made earlier."""
    numbered = {name: found for name in names if (found := re.fullmatch(r"(.*_)(\d+)", name))}
    ordered = sorted(numbered, key=lambda name: int(numbered[name][2]))
    return {name: f"{numbered[name][1]}{place}" for place, name in enumerate(ordered)}


def _replace(message: Message, names: dict[str, str]) -> None:
    """Replaces every text in a message, and in those inside it, that is one of these names."""
    for field, value in message.ListFields():
        is_text = field.type == FieldDescriptor.TYPE_STRING
        if field.message_type and field.message_type.GetOptions().map_entry:
            _replace_in_map(value, field.message_type.fields_by_name["value"], names)
        elif field.message_type:
            for each in value if field.is_repeated else [value]:
                _replace(each, names)
        elif is_text and field.is_repeated:
            value[:] = [names.get(each, each) for each in value]
        elif is_text and value in names:
            setattr(message, field.name, names[value])


def _replace_in_map(entries: Any, kind: FieldDescriptor, names: dict[str, str]) -> None:
    for key in list(entries):
        if kind.message_type:
            _replace(entries[key], names)
        elif kind.type == FieldDescriptor.TYPE_STRING:
            entries[key] = names.get(entries[key], entries[key])
    for key in [key for key in entries if key in names]:
        if kind.message_type:
            entries[names[key]].CopyFrom(entries[key])
        else:
            entries[names[key]] = entries[key]
        del entries[key]


def _shared_names(saved: saved_model_pb2.SavedModel) -> Iterator[attr_value_pb2.AttrValue]:
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            yield from (node.attr["shared_name"] for node in nodes if "shared_name" in node.attr)
