"""RTCP policy, sans-IO: reception reports, sender reports for subscribers, key-frame requests, requests for repair."""
