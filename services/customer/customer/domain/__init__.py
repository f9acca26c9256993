"""Values and decisions about who a customer is; no input, no output."""
