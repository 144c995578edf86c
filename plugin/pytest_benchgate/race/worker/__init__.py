"""What runs in a worker's process. Nothing here imports the rest of the race."""
