"""The one exception of the data sets."""


class DataError(ValueError):
    """A data set is unknown or absent, its files are not as described, or it cannot be had in the form asked for."""
