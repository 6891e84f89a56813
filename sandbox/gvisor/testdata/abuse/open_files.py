#: what    open files without end
import os

kept = []
try:
    while len(kept) < 100_000:
        kept.append(os.open("/dev/null", os.O_RDONLY))
    print("ESCAPED")
except OSError as e:
    print("refused after", len(kept), e)
