"""The `faust` program: run workers, send records, look at an application, reset it."""

__all__: list[str] = []
