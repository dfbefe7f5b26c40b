"""Every decision of podhatch, as pure functions of observed objects and the time."""
