"""The embedded default: scikit-learn's handwritten digits and small networks trained on them."""
