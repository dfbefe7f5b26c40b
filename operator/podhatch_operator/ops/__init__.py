"""What operating needs: health, leader election, logs and metrics."""
