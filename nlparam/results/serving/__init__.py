"""A result that is looked at, marked and edited while a process serves its page: in a browser, or in a notebook."""
