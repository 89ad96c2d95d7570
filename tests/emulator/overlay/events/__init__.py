"""EventBridge: schedules and the delivery of events."""
