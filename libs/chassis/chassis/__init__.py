"""How a process runs: no business word in here."""
