"""The wording that messages, reports and screens share, each piece once. Pure functions: data in, text out.

`suggest` finds what was meant by a misspelt word, `plural` counts things, `values` writes a config's value, `validation`
turns msgspec's errors into sentences, `describe` puts changes, evidence and proposals into words.
"""
