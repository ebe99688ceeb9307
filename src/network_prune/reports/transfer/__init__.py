"""Transfer runs as tables, for a terminal and in Markdown."""
