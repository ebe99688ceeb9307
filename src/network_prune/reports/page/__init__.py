"""The page: a study in one HTML file that needs nothing but a browser."""
