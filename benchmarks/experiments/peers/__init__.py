"""Other systems as they are, each in a process of its own, with the language model behind a local server."""
