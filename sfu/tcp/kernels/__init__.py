"""The compiled part: what moves octets between clients, by TCP and UDP, and their legs."""
