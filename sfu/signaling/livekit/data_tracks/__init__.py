"""Data tracks: named streams of frames that participants publish on the data channel `_data_track`."""
