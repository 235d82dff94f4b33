"""What applications and plug-ins are tested with.  Nothing that runs in production imports it."""
