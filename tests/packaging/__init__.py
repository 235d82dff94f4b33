"""What is published: wheels that install alone."""
