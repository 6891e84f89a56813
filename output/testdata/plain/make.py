"""Writes the other files of this folder: what people write by hand, without a
runner, for `anchorhold run deposit`.

Run with pandas, PyArrow, NumPy and Pillow installed: python make.py
"""

import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

HERE = pathlib.Path(__file__).parent

frame = pd.DataFrame({"num": [0, 1], "age": [57.5, 57.5], "who": ["a", "ä"]})
frame.to_parquet(HERE / "frame.parquet")
frame.set_index("num").to_parquet(HERE / "named.parquet")
frame.set_index([[7, 9]]).to_parquet(HERE / "unnamed.parquet")
frame.set_index([["z", "a"]]).to_parquet(HERE / "strange.parquet")
frame.set_index(["who", "num"]).to_parquet(HERE / "levels.parquet")
pq.write_table(pa.table({"num": [0, 1], "age": [57.5, None]}), HERE / "arrow.parquet", compression="gzip")
pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), HERE / "twice.parquet", compression="none")

frame.to_csv(HERE / "table.csv", index=False, lineterminator="\r\n", encoding="utf-8-sig")
(HERE / "value.json").write_text(json.dumps({"mean": 57.5, "by": [1, 2]}, indent=2) + "\n")
np.save(HERE / "numbers.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
note = PngImagePlugin.PngInfo()
note.add_text("Software", "a stowaway")
Image.new("RGB", (4, 3), (200, 10, 10)).save(HERE / "figure.png", pnginfo=note)
