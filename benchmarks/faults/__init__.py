"""What becomes of recordings, messages and events when the gateway is killed and its networks fail."""
