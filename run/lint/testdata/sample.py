import base64
import os
import socket
import subprocess
import numpy as np
import pandas as pd


def rows(patients):
    young = patients[patients["age"] < 30]
    return young.sort_values("age").head(10)


def means(patients, k: int = 3):
    return patients.groupby("num")["age"].mean().round(k)


def group_rows(patients):
    return patients.groupby("num").head(1)


def oldest(patients):
    return {"n": len(patients), "oldest": patients["age"].max()}


def listed(patients):
    return [row.age for row in patients.itertuples()]


def copied(patients):
    frame = pd.DataFrame(patients)
    return frame.to_dict(), len(frame)


def odd(patients, name: str):
    eval("1 + 1")
    getattr(patients, name)
    getattr(patients, "age")
    open("/etc/passwd")
    os.environ["HOME"]
    os.system("true")
    np.random.normal()
    patients.to_csv("x.csv")
    return ().__class__.__bases__


def прочее(patients):
    return patients.shape[0]
