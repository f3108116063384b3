"""Networks in userspace: links with capacity, queue, delay and loss, in virtual time or between real sockets.

`link` does no IO; `simulator` runs links in virtual time with the flows of `flows` and `tcp`; `proxy` puts two links
between a browser and a node.
"""
