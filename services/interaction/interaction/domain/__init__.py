"""What an interaction is worth and who a customer turned out to be: pure decisions."""
