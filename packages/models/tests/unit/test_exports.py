"""The public names: adding or removing one is a decision."""

import importlib.metadata

import faust_models


def test_public_names_are_these() -> None:
    assert faust_models.__all__ == [
        "FieldDescriptor",
        "ModelOptions",
        "Record",
        "SecurityError",
        "ValidationError",
        "codecs",
        "fields",
        "maybe_model",
        "registry",
        "tags",
    ]


def test_both_codecs_are_entry_points() -> None:
    found = importlib.metadata.distribution("faust-models").entry_points.select(group="faust.codecs")
    assert found["json"].load() is faust_models.codecs.json
    assert found["msgpack"].load() is faust_models.codecs.msgpack
