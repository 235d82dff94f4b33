"""Running workers: one in this process, or several under a supervisor."""
