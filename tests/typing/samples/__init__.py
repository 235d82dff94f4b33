"""Programs as users write them; mypy reads them, nobody runs them."""
