"""What a node does as one of several. Imported only where `cluster_url` is set."""
