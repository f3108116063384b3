"""Attacks on a node, each with a rate, and a recorded conference that is measured while they run."""
