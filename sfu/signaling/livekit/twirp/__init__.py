"""The server API of the LiveKit protocol over Twirp (https://twitchtv.github.io/twirp/docs/spec_v7.html)."""
