"""Makes analyses.json: outputs of ordinary analyses and of leaks on heart.csv.

Run with pandas, SciPy and scikit-learn: python analyses.py heart.csv > analyses.json
An output is a list of sheets, as the parser of outputs makes them: labels,
number of index columns, rows.
"""

import json
import sys

import numpy as np
import pandas as pd

COLUMNS = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split()


def cell(v):
    if v is None or v is pd.NaT:
        return None
    if isinstance(v, (bool, np.bool_)):
        return bool(v)
    if isinstance(v, (int, np.integer)):
        return int(v)
    if isinstance(v, (float, np.floating)):
        return None if not np.isfinite(v) else float(v)
    if isinstance(v, pd.Interval):
        return str(v)
    return str(v)


def label(v):
    return " ".join(map(str, v)) if isinstance(v, tuple) else cell(v)


def sheets(x):
    """The sheets of a result."""
    if isinstance(x, pd.Series):
        x = x.to_frame("" if x.name is None else x.name)
    if isinstance(x, pd.DataFrame):
        plain = isinstance(x.index, pd.RangeIndex)
        levels = 0 if plain else x.index.nlevels
        rows = []
        for key, row in zip(x.index, x.itertuples(index=False, name=None)):
            key = [] if plain else list(key) if isinstance(key, tuple) else [key]
            rows.append([cell(v) for v in key] + [cell(v) for v in row])
        names = [] if plain else list(x.index.names)
        return [{"index": levels, "labels": [label(v) for v in names + list(x.columns)], "rows": rows}]
    if isinstance(x, np.ndarray):
        x = np.atleast_1d(x)
        x = x.reshape(-1, 1) if x.ndim == 1 else x.reshape(-1, x.shape[-1])
        return [{"index": 0, "labels": [], "rows": [[cell(v) for v in r] for r in x]}]
    if isinstance(x, dict) and not any(isinstance(v, (list, dict)) for v in x.values()):
        return [{"index": 0, "labels": list(map(str, x)), "rows": [[cell(v) for v in x.values()]]}]
    if isinstance(x, dict):
        out = []
        lists = [v for v in x.values() if isinstance(v, list)]
        if len(lists) == len(x):
            return [{"index": 1, "labels": [], "rows": [[k, *map(cell, v)] for k, v in x.items()]}]
        for v in x.values():
            out += sheets(v)
        return out
    if isinstance(x, list) and x and isinstance(x[0], (list, tuple)):
        return [{"index": 0, "labels": [], "rows": [[cell(v) for v in r] for r in x]}]
    if isinstance(x, list) and x and isinstance(x[0], dict):
        return [{"index": 0, "labels": list(x[0]), "rows": [[cell(v) for v in r.values()] for r in x]}]
    if isinstance(x, list):
        return [{"index": 0, "labels": [], "rows": [[cell(v)] for v in x]}]
    if isinstance(x, str):
        return [{"index": 0, "labels": [], "rows": [[line] for line in x.splitlines()]}]
    return [{"index": 0, "labels": [], "rows": [[cell(x)]]}]


def ordinary(df, group, target, numbers, small):
    """Analyses whose results say nothing about a single person."""
    from scipy import stats
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.metrics import confusion_matrix, roc_curve
    from sklearn.preprocessing import StandardScaler

    full = df[numbers + [target]].dropna()
    y = (full[target] > full[target].median()).astype(int)
    x = StandardScaler().fit_transform(full[numbers])
    model = LogisticRegression(max_iter=1000).fit(x, y)
    line = LinearRegression().fit(full[numbers], full[target])
    p = model.predict_proba(x)[:, 1]
    edges = np.histogram_bin_edges(full[numbers[0]], 8)
    binned = pd.cut(df[numbers[0]], np.linspace(edges[0] - 1, edges[-1] + 1, 5).round(2))
    cross = pd.crosstab(df[group], df[small])
    return {
        "mean of a column": df[numbers[0]].mean(),
        "rows": len(df),
        "group means of one column": df.groupby(group)[numbers[0]].mean(),
        "group means of all columns": df.groupby(group).mean(numeric_only=True),
        "group means, rounded": df.groupby(group)[numbers].mean().round(1),
        "group medians": df.groupby(group)[numbers].median(),
        "group sizes": df.groupby(group).size(),
        "value counts": df[small].value_counts(),
        "group mean, std and count": df.groupby(group)[numbers[0]].agg(["mean", "std", "count"]),
        "two-way means": df.pivot_table(index=group, columns=small, values=numbers[0]),
        "cross table": cross,
        "cross table, shares": pd.crosstab(df[group], df[small], normalize="index"),
        "describe": df.describe(),
        "describe by group": df.groupby(group)[numbers[0]].describe(),
        "correlation matrix": df.corr(numeric_only=True),
        "covariance matrix": df[numbers].cov(),
        "missing values": df.isna().sum(),
        "quantiles": df[numbers].quantile([0.1, 0.25, 0.5, 0.75, 0.9]),
        "minimum and maximum": df[numbers].agg(["min", "max"]),
        "group minima": df.groupby(group)[numbers].min(),
        "group maxima": df.groupby(group)[numbers].max(),
        "histogram": {"counts": np.histogram(full[numbers[0]], edges)[0].tolist(), "edges": edges.tolist()},
        "means by age band": df.groupby(binned, observed=True)[numbers].mean(),
        "linear regression": pd.Series([line.intercept_, *line.coef_], index=["intercept", *numbers]),
        "logistic regression": {"intercept": float(model.intercept_[0]), "coefficients": model.coef_[0].tolist(), "accuracy": float(model.score(x, y))},
        "confusion matrix": confusion_matrix(y, p > 0.5),
        "t test": dict(zip(["t", "p"], map(float, stats.ttest_ind(full[numbers[0]][y == 1], full[numbers[0]][y == 0])))),
        "chi square test": dict(zip(["chi2", "p", "dof"], map(float, stats.chi2_contingency(cross)[:3]))),
        "ROC curve": np.array(roc_curve(y, p)[:2]).T.round(4),
        "z scores of group means": ((df.groupby(group)[numbers].mean() - df[numbers].mean()) / df[numbers].std()),
        "weights of a small network": np.random.default_rng(1).normal(size=(16, len(numbers))).round(4),
        "text report": df[numbers].describe().to_string(),
        "ages and how many": df[numbers[0]].round(-1).value_counts().sort_index(),
    }


def leaks(df, group, numbers):
    """Private rows in one disguise or another."""
    rng = np.random.default_rng(7)
    some = df.sample(5, random_state=3)
    shuffled = some[rng.permutation(df.columns)]
    return {
        "first rows": df.head(5),
        "one row": df.iloc[7],
        "one row as a list": df.iloc[11].tolist(),
        "a sample": some,
        "all rows": df,
        "columns in another order": shuffled,
        "columns renamed": some.set_axis([f"v{i}" for i in range(len(df.columns))], axis=1),
        "half of the columns": some[numbers + [c for c in df.columns if c not in numbers][:3]],
        "noise in the fourth digit": some.select_dtypes("number") * 1.0001,
        "noise of its own in each cell": some.select_dtypes("number") * (1 + rng.uniform(-1e-4, 1e-4, some.select_dtypes("number").shape)),
        "with columns of noise": pd.concat([some.reset_index(drop=True), pd.DataFrame(rng.normal(size=(5, 10)))], axis=1),
        "on its side": some.T,
        "on its side, with a mean": some.T.assign(mean=df.mean(numeric_only=True)),
        "flattened": df.head(6).to_numpy().ravel(),
        "flattened into another shape": df.head(6).to_numpy().reshape(len(df.columns), -1),
        "in JSON, a list of objects": some.to_dict("records"),
        "in JSON, an object of lists": some.to_dict("list"),
        "in JSON, among results": {"mean": {"age": 54.4}, "rows": some.values.tolist()},
        "as printed text": df.head().to_string(),
        "as CSV text": some.to_csv(index=False),
        "as text in cells": pd.DataFrame({"note": [" ".join(map(str, r)) for r in some.values.tolist()]}),
        "the row with the smallest value in each group": df.loc[df.groupby(group)[numbers[0]].idxmin()],
        "the first of each group": df.groupby(group).first(),
        "the oldest": df.nlargest(1, numbers[0]),
        "means of groups of one": df[numbers].groupby([df[c] for c in numbers]).mean().head(20),
        "a column": df[numbers[-1]],
        "a column in JSON": df[numbers[-1]].dropna().tolist(),
        "a column, sorted": np.sort(df[numbers[-1]].dropna()),
        "distinct values of a fine column, with counts": df[numbers[-1]].value_counts(),
    }


def main():
    df = pd.read_csv(sys.argv[1], names=COLUMNS, na_values="?")
    numbers = ["age", "trestbps", "thalach", "oldpeak", "chol"]
    out = [{"name": k, "leak": False, "sheets": sheets(v)} for k, v in ordinary(df, "num", "thalach", ["age", "trestbps", "oldpeak", "chol"], "cp").items()]
    out += [{"name": k, "leak": True, "sheets": sheets(v)} for k, v in leaks(df, "num", numbers).items()]
    print("[\n" + ",\n".join(json.dumps(o) for o in out) + "\n]")


if __name__ == "__main__":
    main()
