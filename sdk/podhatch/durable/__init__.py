"""How the pod of a durable task keeps its log, and replays it.

`history` decides what a replay does next, `store` reads and writes the pages of the log, `waits` is
what the operator has said of them, and `journal` is what the context of the task calls.
"""
