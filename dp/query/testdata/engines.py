"""DuckDB and PostgreSQL behind lines of JSON, for the tests of dp/query that ask both.

Needs the packages duckdb (the version that the worker links) and pg8000, and PostgreSQL's programs where pg_config says, run as root.
Each line asks for one thing: a statement's tree, several statements done in both, or the rows of a query in one.
"""

import atexit
import contextlib
import decimal
import json
import os
import shutil
import subprocess
import sys
import tempfile

import duckdb
import pg8000.native


class Engines:
    def __init__(self) -> None:
        self.bin = os.environ.get("POSTGRES_BIN") or subprocess.check_output(["pg_config", "--bindir"], text=True).strip()
        self.dir = tempfile.mkdtemp(prefix="pgq")
        shutil.chown(self.dir, "postgres")
        atexit.register(self.stop)
        self.program("initdb", "-D", self.dir + "/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.dir} -c fsync=off -c jit=off"
        self.program("pg_ctl", "-D", self.dir + "/data", "-w", "-l", self.dir + "/log", "-o", options, "start")
        self.postgres = pg8000.native.Connection("postgres", unix_sock=self.dir + "/.s.PGSQL.5432")
        self.duckdb = duckdb.connect(config={"threads": 1})

    def program(self, name: str, *args: str) -> None:
        drop = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        subprocess.run([*drop, f"{self.bin}/{name}", *args], check=True, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.program("pg_ctl", "-D", self.dir + "/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)

    def answer(self, ask: dict) -> dict:
        if ask["op"] == "ast":
            return {"ast": self.duckdb.execute("SELECT json_serialize_sql(?::VARCHAR)", [ask["sql"]]).fetchone()[0]}
        if ask["op"] == "do":
            for statement in ask["all"]:
                self.duckdb.execute(statement)
                self.postgres.run(statement)
            return {}
        rows = (self.duckdb.execute(ask["sql"]).fetchall() if ask["op"] == "duckdb" else self.postgres.run(ask["sql"])) or []
        return {"rows": sorted(([text(v) for v in row] for row in rows), key=lambda row: [(v is None, v or "") for v in row])}


def text(v: object) -> str | None:
    if v is None:
        return None
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, decimal.Decimal) and v == v.to_integral_value():
        return format(v, "f")
    return str(v)


def main() -> None:
    engines = Engines()
    for line in sys.stdin:
        try:
            out = engines.answer(json.loads(line))
        except (duckdb.Error, pg8000.Error) as e:
            out = {"error": str(e)[:600]}
        sys.stdout.write(json.dumps(out) + "\n")
        sys.stdout.flush()


main()
