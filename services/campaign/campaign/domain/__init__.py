"""Pure values and decisions of the campaign service; the standard library only."""
