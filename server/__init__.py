"""
The task server: creates tasks, hands them to agents, judges and keeps their results, answers questions about them.

Imports the protocol and nothing else of ours. ``app.py`` puts it together.
"""
