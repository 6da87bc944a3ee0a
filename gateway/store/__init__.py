"""What must survive: journal, studies and outbox in one SQLite file."""
