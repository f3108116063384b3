"""What participants send each other by data channels."""
