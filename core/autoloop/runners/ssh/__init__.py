"""Runs attempts on other machines through OpenSSH: a small program sent there answers requests over one connection."""
