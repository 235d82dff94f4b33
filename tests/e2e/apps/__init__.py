"""The programs that the workers run: `faust -A tests.e2e.apps.<name> worker`."""

#: how many numbers a worker tells in its counters file
COUNTERS = 16
