"""The interfaces that plug-ins implement and that user code may rely on."""
