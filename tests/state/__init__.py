"""State in every store: what is promised of tables holds wherever they are kept."""
