"""The client for coding agents: tools, resources and prompts over the Model Context Protocol (standard input and output)."""
