"""A transfer run at work: networks and images, rows one after the other, what is kept of them."""
