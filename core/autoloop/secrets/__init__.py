"""Secrets, which must not be stored or shown. Only this package decides which names and values are secrets, and masks them.

`names.py` classifies names, `values.py` collects the values to search for, `masking.py` masks texts, and `withheld.py` keeps
a command's secrets out of the store.
"""

from autoloop.secrets.masking import (
    LONGEST,
    MASK,
    mask,
    mask_bytes,
    mask_lines,
    masked_document,
    masked_value,
    shown_value,
    unsure,
)
from autoloop.secrets.names import is_secret, is_secret_name
from autoloop.secrets.values import HELD, SHORTEST, long_enough, of_config, of_environment, secret_keys
from autoloop.secrets.withheld import missing, shown_words, withheld

__all__ = [
    "HELD",
    "LONGEST",
    "MASK",
    "SHORTEST",
    "is_secret",
    "is_secret_name",
    "long_enough",
    "mask",
    "mask_bytes",
    "mask_lines",
    "masked_document",
    "masked_value",
    "missing",
    "of_config",
    "of_environment",
    "secret_keys",
    "shown_value",
    "shown_words",
    "unsure",
    "withheld",
]
