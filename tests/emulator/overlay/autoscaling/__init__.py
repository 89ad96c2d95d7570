"""Auto Scaling: groups, their scaling activities, instance refreshes.

Unlike AWS:
* Lifecycle hooks, warm pools, load balancer health checks, scaling policies and cooldowns do nothing.
"""
