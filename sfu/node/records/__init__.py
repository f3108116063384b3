"""The node's records: the folders that they are kept in, and the process that signs them."""
