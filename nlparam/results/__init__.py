"""What every result has in common: its folder, its weights as files, its versions, and the engine of its page.

What a kind of result holds and shows belongs to its own room.
"""
