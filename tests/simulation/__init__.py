"""Whole workers on a broker in memory, in virtual time, through schedules of faults that a seed decides."""
