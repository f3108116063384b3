"""Public registers: judgments and defaulters. Read only; the source is named."""
