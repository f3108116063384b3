"""The HTTP side: its listener and connections, what a stranger may take of them, and the page to meet on."""
