"""What a test that needs a service fails with."""


class ServiceUnavailableError(Exception):
    """A real service could not be started.  The message says what to install or change."""
