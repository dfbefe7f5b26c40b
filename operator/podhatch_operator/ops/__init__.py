"""Health, leader election, logs and HTTP servers."""
