"""Commands that cut networks and make of them what is deployed."""
