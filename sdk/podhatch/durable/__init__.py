"""How the pod of a durable task keeps its log, and replays it.

`journal` is what the context of the task calls. `history` decides what a replay does next, and
`results` gives the code its results. `calls` collects what is new for `store`, which reads and
writes the pages.
"""
