"""Prometheus."""

from faust_sensors.prometheus import setup_prometheus_sensors

__all__ = ["setup_prometheus_sensors"]
