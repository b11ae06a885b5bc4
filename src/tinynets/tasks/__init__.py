"""What a network is trained for: one folder a task."""
