"""What comes by TCP, TLS or not: ICE-TCP, TURN and HTTP on one port, brought to the shards and to the HTTP server."""
