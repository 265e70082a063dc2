"""The Slots screen: the slots and what is next."""
