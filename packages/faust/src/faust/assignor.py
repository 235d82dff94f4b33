"""The assignor of the engine has no switches, and none of the original's can be imported."""

from faust._missing import pointing

__all__: list[str] = []

__getattr__ = pointing(
    "faust.assignor",
    {},
    "partitions are divided by the engine; the settings rack, table_standby_replicas, acceptable_recovery_lag and "
    "max_warmup_replicas say how",
)
