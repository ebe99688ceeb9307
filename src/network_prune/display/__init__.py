"""How results look, whatever they are of: tables in HTML and charts."""
