"""The only door to Stave: who may come in, how much, and which service answers."""

__version__ = "0.1.0"
