"""The program that runs on a host: Python 3.9, standard library only, sent there as text (`bundle.py`)."""
