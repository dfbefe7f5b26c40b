"""How a definition turns into objects of the cluster, and where a pod finds its code."""
