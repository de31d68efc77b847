"""The pipelines composed from Penstock's components, each in the module of its name: `from penstock.pipelines.training import training`.

`flight_delay.parameters()` gives the values that make `training` the worked example.
"""

__all__ = ["batch_scoring", "flight_delay", "monitoring", "promote_or_rollback", "training"]
