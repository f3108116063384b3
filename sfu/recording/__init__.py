"""The hearing record: capture, containers, the ledger, proof, and what people make of it."""
