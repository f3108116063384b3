"""What every request passes: tokens, bodies, limits, problems."""
