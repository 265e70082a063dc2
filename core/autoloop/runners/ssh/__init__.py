"""Runs attempts on other machines through OpenSSH: a small program is sent there and answers requests over one connection."""
