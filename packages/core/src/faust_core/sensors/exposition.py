"""The metrics as text that Prometheus reads, format 0.0.4; no other library is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from faust_core.sensors.counts import Histogram
from faust_core.sensors.metrics import Family

__all__ = ["CONTENT_TYPE", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(metrics: Iterable[Family], labels: Mapping[str, str] | None = None) -> str:
    """Return the text.

    Args:
        labels: given to every sample besides its own, such as the application's id.
    """
    return "".join(line for family in metrics if family.samples for line in _lines(family, labels or {}))


def _lines(family: Family, common: Mapping[str, str]) -> Iterator[str]:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    yield f"# HELP {name} {_text(family.help)}\n# TYPE {name} {family.kind}\n"
    for sample in family.samples:
        labels = {**common, **sample.labels}
        if not isinstance(sample.value, Histogram):
            yield f"{name}{_labels(labels)} {_number(sample.value)}\n"
            continue
        histogram = sample.value
        cumulative = histogram.cumulative()
        for bound, count in zip((*map(_number, histogram.bounds), "+Inf"), cumulative, strict=True):
            yield f"{name}_bucket{_labels({**labels, 'le': bound})} {count}\n"
        yield f"{name}_sum{_labels(labels)} {_number(histogram.sum)}\n"
        yield f"{name}_count{_labels(labels)} {cumulative[-1]}\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_text(value, quoted=True)}"' for name, value in labels.items()) + "}"


def _text(text: str, *, quoted: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quoted else escaped


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
