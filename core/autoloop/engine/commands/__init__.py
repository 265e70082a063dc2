"""What clients ask of a running engine, carried out."""
