"""The standalone node: command line, configuration, tokens, HTTP server, metrics and logs around one `sfu.Server`."""
