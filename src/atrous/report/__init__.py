"""Tables, figures and one page of what a run found. Reads the ledger; never runs a model."""
