"""From facts to findings to what goes out."""
