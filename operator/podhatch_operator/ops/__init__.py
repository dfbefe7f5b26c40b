"""What operating needs: health, leader election, logs, metrics, fault points for tests."""
