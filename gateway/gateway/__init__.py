"""The only door to Stave: who may come in, how much, and which service answers."""
