#: what    make a file of a terabyte that occupies nothing
try:
    with open("/out/sparse", "wb") as f:
        f.truncate(1 << 40)
    print("ESCAPED")
except OSError as e:
    print("refused", e)
