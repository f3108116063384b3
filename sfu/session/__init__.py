"""One client's connection: offers and answers, transport, RTCP, bandwidth."""
