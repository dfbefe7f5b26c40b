"""How the pod of a durable task keeps its log, and replays it.

`journal` is what the context of the task calls. `history` decides what a replay does next,
`results` gives the code its results, and `turns` says when. `recorder` collects what is new for
`store`, which reads and writes the pages; `waits` is what the operator has said of them.
"""
