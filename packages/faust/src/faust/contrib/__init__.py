"""Faust with others."""
