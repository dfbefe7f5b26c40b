"""Every decision of the operator, as pure functions of observed objects and the time.

No input or output, no clock, no chance: the same observation gives the same plan.
"""
