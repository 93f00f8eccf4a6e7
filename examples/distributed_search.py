"""
A search on a cluster
=====================

The processes of a dask cluster train the stacks of a search. Here the cluster consists
of two processes on this machine. Give `Client` the address of a scheduler to use other
machines. This needs ``pip install '.[distributed]'``; ``docs/distributed.md`` says what
is sent to the processes.
"""

import joblib
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits

from sklearn_deepnet import DeepNetClassifier, StackedGridSearchCV


def main():
    X, y = load_digits(return_X_y=True)
    net = DeepNetClassifier((32,), n_iter=20, tol=None, random_state=0)
    grid = {
        "init": ["xavier", "he", "orthogonal"],
        "learning_rate": [0.001, 0.003, 0.01],
    }
    search = StackedGridSearchCV(net, grid)
    here = search.fit(X, y).cv_results_["mean_test_score"]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask", scatter=[X, y]),
    ):
        search.fit(X, y)
    print(search.best_params_, round(search.best_score_, 3))
    same = (here == search.cv_results_["mean_test_score"]).all()
    print("the scores are the same:", same)


if __name__ == "__main__":  # the processes import this file
    main()
