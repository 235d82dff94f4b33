"""`app.sensors`: tells all sensors of an application what happens."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from faust_core.sensors.base import EACH_EVENT, Sensor, overrides

__all__ = ["SensorDelegate"]

log = logging.getLogger(__name__)

HOOKS = tuple(name for name in vars(Sensor) if name.startswith("on_"))

#: what each sensor's hook of a beginning returned, by the sensor's id
State = Mapping[int, Any]


class SensorDelegate:
    """Add and remove sensors at any time.

    `watches(hook)` says whether anybody has a hook of those that are called for each event: whoever would call it asks
    first, so that an application without such a sensor pays nothing.  A hook that raises is logged once with its
    traceback, and from then on at debug level.
    """

    def __init__(self) -> None:
        self._sensors: list[Any] = []
        self._hooks: dict[str, tuple[tuple[Any, Callable[..., Any]], ...]] = dict.fromkeys(HOOKS, ())
        self._failed: set[tuple[int, str]] = set()
        #: called when a sensor was added or removed
        self.on_change: list[Callable[[], None]] = []

    def add(self, sensor: Any) -> None:
        """Tell a sensor from now on.  Idempotent."""
        if sensor not in self._sensors:
            self._sensors.append(sensor)
            self._changed()

    def remove(self, sensor: Any) -> None:
        """Tell a sensor nothing more.

        Raises:
            ValueError: it was never added.
        """
        self._sensors.remove(sensor)
        self._failed = {(of, hook) for of, hook in self._failed if of != id(sensor)}
        self._changed()

    def watches(self, *hooks: str) -> bool:
        """Whether any sensor has one of these hooks."""
        return any(self._hooks[hook] for hook in hooks)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._sensors))

    def __len__(self) -> int:
        return len(self._sensors)

    def __contains__(self, sensor: object) -> bool:
        return sensor in self._sensors

    def _changed(self) -> None:
        self._hooks = {
            hook: tuple((sensor, getattr(sensor, hook)) for sensor in self._sensors if overrides(sensor, hook))
            for hook in HOOKS
        }
        for tell in list(self.on_change):
            tell()

    # -- calling

    def begin(self, hook: str, *args: Any, **kwargs: Any) -> State:
        """Call the hook of a beginning; return each sensor's state, for `end`."""
        return {id(sensor): self._call(sensor, hook, call, args, kwargs) for sensor, call in self._hooks[hook]}

    def end(self, hook: str, state: State, before: tuple[Any, ...], after: tuple[Any, ...] = (), **kwargs: Any) -> None:
        """Call the hook of an end, each sensor's with its own state between `before` and `after`."""
        for sensor, call in self._hooks[hook]:
            self._call(sensor, hook, call, (*before, state.get(id(sensor)), *after), kwargs)

    def tell(self, hook: str, *args: Any, **kwargs: Any) -> None:
        """Call a hook that has no state."""
        for sensor, call in self._hooks[hook]:
            self._call(sensor, hook, call, args, kwargs)

    def _call(self, sensor: Any, hook: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except Exception as exc:
            known = (id(sensor), hook)
            if known in self._failed:
                log.debug("%s of sensor %r raised again: %r", hook, sensor, exc)
            else:
                self._failed.add(known)
                log.exception("%s of sensor %r raised; the work goes on, and this is said once", hook, sensor)
        return None

    # -- the hooks themselves: sensors may be delegates, too

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in HOOKS:
            return functools.partial(self.begin if name in BEGINNINGS else self.tell, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def asdict(self) -> Mapping[str, Any]:
        """Return what each sensor knows, by its name."""
        return {getattr(sensor, "name", type(sensor).__name__): sensor.asdict() for sensor in self._sensors}

    def __repr__(self) -> str:
        return f"<Sensors: {', '.join(map(repr, self._sensors)) or 'none'}>"


BEGINNINGS = frozenset(
    {
        "on_stream_event_in",
        "on_commit_initiated",
        "on_send_initiated",
        "on_assignment_start",
        "on_rebalance_start",
        "on_web_request_start",
    }
)
assert set(HOOKS) >= EACH_EVENT
