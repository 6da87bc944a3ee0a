"""What taking data in costs: lines, files, many carts at once, memory over a long run."""
