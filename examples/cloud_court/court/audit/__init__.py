"""The audit: append-only, chained by hashes in the form of the record's ledger."""
