"""The rules for transports, by the part that they concern; `faust_conformance.transport` puts them together."""
