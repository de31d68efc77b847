"""The data contract: Examples, Schemas, tensors, SavedModels, user modules, and files at any URI.

The names below, which read and pack what travels in a pipeline's parameters, need only the standard library. The modules are imported by
name, each with the libraries of its family: `examples` and `hashing` (Arrow, NumPy), `schema_file` (TFMD), `tensors` and `saved_models`
(TensorFlow), `filesystems` and `lakefs` (fsspec), `dvc` (DVC, which is not in the family's lock), `feature_repository`, `feature_service`
and `entity_rows` (Feast), and `source`, `stored`, `tfx_types`, `times`, `uri_options`, `user_code` and `user_module` (none). This room
imports `protocol`.
"""

from .source import pack, read_text
from .user_code import load_function, load_module
from .user_module import pack_module, read_module

__all__ = ["load_function", "load_module", "pack", "pack_module", "read_module", "read_text"]
