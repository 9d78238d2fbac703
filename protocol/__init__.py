"""
The language that the server, the scheduler and the agents speak.

Pure data and pure functions: no I/O, no clock, nothing of ours imported. A new task type goes into ``tasks/``,
a new method into ``methods.py``, a new query condition into ``conditions.py``.
"""
