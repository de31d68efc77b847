"""Distinguishes tf.Examples from other records, because almost any bytes parse as a tf.Example without features."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError

_FEATURES = 0x0A  # the tag of tf.Example's only field
_LOOKED_INTO = 16


def check_are_examples(records: Iterable[bytes], path: Path) -> None:
    """Checks that serialized records are tf.Examples: the frame of each, and all of the first.

    Raises:
        TaskError: One is something else, such as a tf.SequenceExample, of which a tf.Example holds only the context.
    """
    for number, record in enumerate(records):
        if record and (number < _LOOKED_INTO or not _is_one_field(record)) and (kind := _other_kind(record)):
            raise TaskError(f"{path} contains {kind}, not tf.Example; write its rows as tf.Example, CSV or Parquet")


def _is_one_field(record: bytes) -> bool:
    """Whether a message is one field of the number and kind that tf.Example has."""
    if record[0] != _FEATURES:
        return False
    length, shift = 0, 0
    for place, byte in enumerate(record[1:6], start=2):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return place + length == len(record)
    return False


def _other_kind(record: bytes) -> str:
    """Says what a record is that is not tf.Example; empty if it is one."""
    import tensorflow as tf

    if _is_whole(tf.train.Example, record):
        return ""
    return "tf.SequenceExample" if _is_whole(tf.train.SequenceExample, record) else "records of another kind"


def _is_whole(kind: Any, record: bytes) -> bool:
    """Whether a record parses as a message with nothing unknown in it."""
    from google.protobuf.message import DecodeError

    try:
        message = kind.FromString(record)
    except DecodeError:
        return False
    whole = message.ByteSize()
    message.DiscardUnknownFields()
    return bool(whole == message.ByteSize())
