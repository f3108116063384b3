"""RTCP policy, sans-IO: publishers' reports, key-frame requests, requests for repair."""
