"""What runs on the other machine: Python 3.9, standard library only, sent there as text (`bundle.py`)."""
