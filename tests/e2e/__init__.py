"""Applications as worker processes, against real Kafka, with faults."""
