"""The console for a loop on another machine, over one SSH connection: data comes here, requests go there. `serving.py` is
the end on the loop's machine, the other modules are the end on the user's machine."""
