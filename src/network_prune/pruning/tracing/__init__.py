"""Write down a network's steps without running it on numbers."""
