"""A stand-in for Vertex AI that real, unpatched clients speak to: gRPC over TLS, the real messages, real model servers."""

from .double import VertexDouble
from .faults import ANY_CALL, RUN, Call, Fault

__all__ = ["ANY_CALL", "RUN", "Call", "Fault", "VertexDouble"]
