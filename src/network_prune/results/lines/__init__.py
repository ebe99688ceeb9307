"""Files of lines that nobody can change unnoticed: checksums, reading, appending."""
