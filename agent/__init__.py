"""
The agent: dials out to its servers, takes tasks, probes, and keeps each result until it is acknowledged.

It imports ``protocol`` and never the server or the scheduler. A new kind of probe goes into ``probes/``.
"""
