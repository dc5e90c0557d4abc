"""Codes we are compared with."""
