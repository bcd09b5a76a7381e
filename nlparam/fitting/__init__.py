"""A fit: its driver, its search, its result, its folder and page, and what is asked of it afterwards.

A package of this name, not `fit`: that would hide the function `nlparam.fit`.
"""
