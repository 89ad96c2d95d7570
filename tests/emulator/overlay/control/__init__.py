"""Owns what a test harness can do that no AWS API can: the control API and what it works with."""
