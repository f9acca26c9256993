"""Every query of the campaign service."""
