"""`podhatch lint`: checks objects as the API server and the operator do, without a cluster."""
