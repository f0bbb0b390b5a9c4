"""Fit a whole-brain mean-field model to BOLD, by gradient descent."""
