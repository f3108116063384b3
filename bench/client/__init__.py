"""The load generator's set-up path: SDP, ICE as a full agent, DTLS as the client, in plain asyncio."""
