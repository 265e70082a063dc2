"""The Agents screen: what each actor has done and spent."""
