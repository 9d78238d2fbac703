"""
What ``make bench`` runs: how many tasks a second one server process completes, and how long they take.

The server runs alone on one core, the load agents and this process on another, so that the figures are per core.
"""
