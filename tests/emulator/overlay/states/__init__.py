"""Owns Step Functions: executions, their histories and their events."""
