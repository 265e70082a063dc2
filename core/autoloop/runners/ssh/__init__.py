"""Other machines as places, through OpenSSH: a small program travels there and answers questions over one connection."""
