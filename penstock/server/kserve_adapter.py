"""What Penstock uses of KServe's tensors that KServe does not document: their bytes, as they travel.

KServe's readers and writers of V2 set and read `_raw_data` of their own tensors. Its public `set_data_from_numpy` copies the values and
changes the parameters, and `as_numpy` does not check the bytes. No issue asks for access; `test_kserve_has_no_public_bytes` in
tests/penstock/server/test_kserve_adapter.py notices when there is some.
"""

from kserve import InferInput, InferOutput


def raw_bytes(tensor: InferInput) -> bytes | None:
    """Returns a tensor's bytes; None where it has values instead."""
    content: bytes | None = tensor._raw_data
    return content


def set_raw_bytes(tensor: InferInput | InferOutput, content: bytes | None) -> None:
    """Gives a tensor its bytes; None where it has values instead."""
    tensor._raw_data = content
