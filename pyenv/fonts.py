# Lists the fonts that Matplotlib brings along: fonts.py PACKAGES FOLDER.
import os
import sys

sys.path.append(sys.argv[1])

from matplotlib import font_manager

find = font_manager.findSystemFonts
font_manager.findSystemFonts = lambda paths=None, fontext="ttf": find(paths, fontext) if paths else []
manager = font_manager.FontManager()
assert manager.ttflist
os.mkdir(sys.argv[2])
font_manager.json_dump(manager, os.path.join(sys.argv[2], f"fontlist-v{manager.__version__}.json"))
