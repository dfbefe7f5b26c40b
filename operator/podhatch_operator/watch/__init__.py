"""Where changes of the cluster come in: kopf handlers, the intake, and the resync."""
