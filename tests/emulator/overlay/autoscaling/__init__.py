"""Owns Auto Scaling: groups, their scaling activities, instance refreshes."""
