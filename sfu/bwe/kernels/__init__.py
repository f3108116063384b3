"""The estimator, compiled: one module for each idea."""
