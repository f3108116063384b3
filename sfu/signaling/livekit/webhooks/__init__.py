"""Webhooks: what happens in rooms, posted to the operator's servers, in order and until it is delivered."""
