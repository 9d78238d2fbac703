"""
The scheduler: job files in, batches of due tasks out to a task server.

Every due tick of a job on an agent is either delivered or counted as missed. It knows task servers only through the
seam in ``taskserver.py``.
"""
