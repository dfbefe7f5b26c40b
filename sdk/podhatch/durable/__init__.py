"""How the pod of a durable task keeps its log, and replays it.

`history` decides what a replay does next, `store` reads and writes the log's pages, and `journal`
is what the task's context calls.
"""
