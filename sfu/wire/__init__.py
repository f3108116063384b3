"""Stateless parsing and building of what stands on the wire: RTP, header extensions, RTCP."""
