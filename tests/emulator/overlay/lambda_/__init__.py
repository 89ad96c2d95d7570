"""Lambda: execution environments, and invocations by a state machine."""
