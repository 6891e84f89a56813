#: what    fill /tmp with many files
#: limit   tmp=8MiB
n = 0
try:
    while n < 64 << 20:
        with open(f"/tmp/{n}", "wb", buffering=0) as f:
            n += f.write(b"x" * (1 << 20))
    print("ESCAPED", n)
except OSError as e:
    print("refused after", n, e)
    if n > 8 << 20:
        print("ESCAPED", n)
