"""Every program of examples/ runs."""
