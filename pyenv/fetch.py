# Gets one file: fetch.py URL PATH BYTES. Runs nothing of it.
import base64
import sys
import urllib.parse
import urllib.request

url, path, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
parts = urllib.parse.urlsplit(url)
request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())  # noqa: S310 (as the index says; what comes is looked up by its hash)
if parts.username:
    account = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    request.add_header("Authorization", "Basic " + base64.b64encode(account.encode()).decode())
with urllib.request.urlopen(request, timeout=60) as answer, open(path, "xb") as f:  # noqa: S310
    while part := answer.read(1 << 20):
        most -= len(part)
        if most < 0:
            sys.exit("the file is too large")
        f.write(part)
