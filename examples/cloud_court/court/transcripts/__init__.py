"""The transcript: typed live, frozen as a revision with its hash, objected to, signed or refused."""
