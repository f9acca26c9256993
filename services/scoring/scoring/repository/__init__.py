"""Every query of the scoring service; each function takes the driver's connection inside the caller's transaction."""
