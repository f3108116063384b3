"""The LiveKit protocol: rooms for the clients and the server SDKs that speak it (compatible, not affiliated)."""
