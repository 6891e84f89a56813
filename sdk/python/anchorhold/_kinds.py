"""Names for outputs whose kind no type implies: ``def f(patients) -> ah.Samples:``.

They are annotations and nothing else; what the function returns is a table, a
figure, a dict of arrays or a model, as each of them says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    CSV = SVG = Safetensors = ONNX = Samples = Any  # what is returned is of another type
else:

    class Samples:
        """Rows of a private table, where its owner allows some. Return a DataFrame or an Arrow table."""

    class CSV:
        """A CSV file. Return a DataFrame, or its text."""

    class SVG:
        """A drawing. Return a Matplotlib figure, or the text of an SVG file."""

    class Safetensors:
        """Arrays of numbers by name, such as a model's weights. Return a dict of them."""

    class ONNX:
        """A model. Return an onnx.ModelProto, or the bytes of its file."""
