"""A result that is looked at, marked and edited in a browser while a process serves its page."""
