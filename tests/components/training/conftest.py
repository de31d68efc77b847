"""Small Examples and their TransformGraph."""

from ..transformed import tfx_module, transformed, transformed_tfrecord

__all__ = ["tfx_module", "transformed", "transformed_tfrecord"]
