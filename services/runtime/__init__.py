"""What a running process needs and no stage owns: the event store, the batch stream, metrics, logging, settings."""
