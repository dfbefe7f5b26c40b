"""`podhatch lint`: what the API server or the operator would refuse, found without a cluster."""
