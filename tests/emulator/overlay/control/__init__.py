"""The control API: what a test can do that no AWS API can."""
