"""The compiled part: what moves octets between a TCP connection and its legs."""
