"""Rate limits: the units of a window, and which attempts get them."""
