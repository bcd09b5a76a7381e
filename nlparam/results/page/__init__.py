"""The engine of pages: one HTML file that needs nothing else, works offline and trusts no text that it shows.

Blocks, charts and templates. What a result shows is decided in the room of the result.
"""
