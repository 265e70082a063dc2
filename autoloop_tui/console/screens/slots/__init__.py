"""The Slots screen: the slots and what happens next."""
