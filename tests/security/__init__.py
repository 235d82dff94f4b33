"""What must not be said: secrets."""
