"""Many nodes, one room: who is there and whose rooms are whose. Above the public API; the plane knows nothing of it."""
