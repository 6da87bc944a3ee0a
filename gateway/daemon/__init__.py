"""Configuration, wiring and supervision of the running gateway."""
