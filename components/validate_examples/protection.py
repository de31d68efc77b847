"""Which features nothing protects: what is wrong with them would pass."""

from tensorflow_metadata.proto.v0 import schema_pb2

from .findings import Measurement
from .schemas import features_of

_DISTANCES = ("jensen_shannon_divergence", "infinity_norm", "normalized_abs_difference", "kolmogorov_smirnov")


def unprotected(schema: schema_pb2.Schema, measurements: list[Measurement]) -> dict[str, list[str]]:
    """Returns the features without a domain or range (`values`), and those that were compared with nothing (`distribution`)."""
    compared = {found.feature for found in measurements if found.measure in _DISTANCES}
    features = features_of(schema, None)
    return {
        "values": sorted(name for name, feature in features.items() if not _has_domain(feature)),
        "distribution": sorted(set(features) - compared),
    }


def _has_domain(feature: schema_pb2.Feature) -> bool:
    kind = feature.WhichOneof("domain_info")
    if kind not in ("int_domain", "float_domain"):
        return kind is not None
    domain = getattr(feature, kind)
    return domain.HasField("min") or domain.HasField("max")
