"""What commands print, in the form that is asked for."""
