"""The client of coding agents: tools, resources and prompts by the Model Context Protocol, on standard input and output."""
