"""Events that services publish. Models are frozen, wire names are permanent, changes are additive."""
