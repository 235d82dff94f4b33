"""Real services for tests: Apache Kafka, Redis, and a TCP proxy to break the network between them and a worker."""
