"""What the reports of the sibling systems show, each described from what its JSON holds (`as_dict()`).

So a page can be made again from the file, and nothing here knows the systems, which stand above it.
"""
