"""Filing a case online: handed in, then accepted, sent back for correction, or rejected, with reasons."""
