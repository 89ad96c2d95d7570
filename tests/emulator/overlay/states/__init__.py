"""Step Functions: executions, their histories and their events.

Unlike AWS:
* RedriveExecution is missing.
* A Wait or a task that is under way when its execution ends runs on, unseen. SIGTERM waits for it inside a Map or
  with a TimeoutSeconds.
"""
