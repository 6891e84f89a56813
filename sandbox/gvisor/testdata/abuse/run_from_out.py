#: what    run a program from /out, set-user-ID or not
import os, shutil, subprocess

shutil.copy("/usr/bin/true", "/out/program")
os.chmod("/out/program", 0o4755)
try:
    subprocess.run(["/out/program"], check=True)
    print("ESCAPED")
except OSError as e:
    print("refused", e)
