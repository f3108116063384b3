"""The server of the cloud court: hearings from home, with their exhibits, transcript and record."""
