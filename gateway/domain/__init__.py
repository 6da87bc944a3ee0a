"""Pure clinical core: numpy and the standard library, no clock, no log, no I/O."""
