"""Pure beliefs and decisions: numbers in, numbers out; no database, no network, no scikit-learn."""
