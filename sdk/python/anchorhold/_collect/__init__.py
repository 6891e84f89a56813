"""Gather what one Python function needs, from source text alone.

One collector serves the Python package and the command line, so that a function
has one code digest however it is submitted. It reads source and never executes
any of it; what it cannot carry over faithfully it refuses, naming the variable,
the line and what to do about it. It needs Python 3.9 and its standard library
only, because the command line pipes these files into whichever Python it finds.
The tests submit one function from a file, a module and a notebook and compare
digests, and walk through everything that must be refused.
"""

from __future__ import annotations
