"""Owns Systems Manager: Parameter Store."""
