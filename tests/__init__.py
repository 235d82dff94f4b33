"""What crosses packages: services for tests, end-to-end, examples, packaging, typing."""
