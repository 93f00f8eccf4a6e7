"""
A search on a cluster
=====================

Within ``stacked()``, the processes of a dask cluster train the networks of a search as
stacks. Here the cluster consists of two processes on this machine. Give `Client` the
address of a scheduler to use other machines. This needs
``pip install '.[distributed]'``; ``docs/distributed.md`` says what is sent to the
processes.
"""

from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import DeepNetClassifier, stacked


def main():
    X, y = load_digits(return_X_y=True)
    net = DeepNetClassifier((32,), n_iter=20, tol=None, random_state=0)
    grid = {
        "init": ["xavier", "he", "orthogonal"],
        "learning_rate": [0.001, 0.003, 0.01],
    }
    search = GridSearchCV(net, grid)
    with stacked():
        here = search.fit(X, y).cv_results_["mean_test_score"]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1) as cluster,
        Client(cluster),
        parallel_config(backend="dask", scatter=[X, y]),
        stacked() as stacks,  # last, so that the cluster trains the stacks
    ):
        search.fit(X, y)
    print(stacks.summary)
    print(search.best_params_, round(search.best_score_, 3))
    same = (here == search.cv_results_["mean_test_score"]).all()
    print("the scores are the same:", same)


if __name__ == "__main__":  # the processes import this file
    main()
