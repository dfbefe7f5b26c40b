"""What is in the cluster, under the names of the Hatchet SDK. Called by feature clients and CLI."""
