"""`python -m agentpg` is `agentpg`."""

from agentpg.cli import main

if __name__ == "__main__":
    main()
