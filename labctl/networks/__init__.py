"""Weights onto arrays, and what the array then computes. Not here: programming the array (:mod:`labctl.array`)."""
