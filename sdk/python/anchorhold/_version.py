"""The version of this package, which is that of the program and of the API."""

__version__ = "0.2.0"
