# Lists the fonts that Matplotlib brings along: fonts.py PACKAGES FOLDER.
import os
import sys

sys.path.append(sys.argv[1])

from matplotlib import font_manager

font_manager.findSystemFonts = lambda *_, **__: []
manager = font_manager.FontManager()
os.mkdir(sys.argv[2])
font_manager.json_dump(manager, os.path.join(sys.argv[2], f"fontlist-v{manager.__version__}.json"))
