"""Apache Kafka for the Faust stream processor."""

from faust_transport_kafka.transport import aiokafka, confluent, kafka

__all__ = ["aiokafka", "confluent", "kafka"]
