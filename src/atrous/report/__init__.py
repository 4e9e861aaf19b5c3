"""What a run found: tables, figures and one page. Reads the ledger; never runs a model."""
