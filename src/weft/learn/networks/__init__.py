"""Networks over sampled neighborhoods: what they read, how they are trained, what they predict.

Imports torch, on first use of a network only.
"""
