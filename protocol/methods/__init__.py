"""
The parameters of each method that we serve or call, one file a namespace, and what their results are made of.

To add a method: its struct here, its row in ``server/methods/``.
"""
