"""``python -m tracetcp``."""

from tracetcp.app import console

if __name__ == "__main__":
    console()
