"""The LiveKit protocol on a node: its server API from the settings, and the files of its egresses."""
