"""The process that a supervisor starts and watches as the trainer: hands arguments and output to the server of `warm`,
which has torch imported, and ends as the training there ends. Standard library only."""

import json
import os
import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        asked = json.dumps({"argv": sys.argv[2:], "folder": os.getcwd()}).encode() + b"\n"
        socket.send_fds(server, [asked], [1, 2])
        # Nothing comes from a training that was killed.
        sys.exit((server.recv(1) or b"\1")[0])
