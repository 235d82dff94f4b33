"""The engine: broker record → batch → stream → agent → table → changelog and output → commit."""
