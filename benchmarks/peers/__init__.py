"""One file per peer, each of them a program with the face that `face.py` describes."""
