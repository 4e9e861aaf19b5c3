"""The whole way in one go: search, re-rank, train, evaluate, export, report."""
