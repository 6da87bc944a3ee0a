"""What it costs to assess a study whose curves have been marked."""
