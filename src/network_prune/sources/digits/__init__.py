"""The embedded default: handwritten digits and small networks trained on them."""
