"""Owns permissions: what a caller, a service role and a state machine may do."""
