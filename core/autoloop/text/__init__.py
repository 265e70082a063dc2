"""The wording that messages, reports and screens share, each piece once. Pure functions: data in, text out."""
