"""The mathematics of neural networks, as functions of arrays.

There is one module for each kind of component: `initializers`, `activations`, `losses`,
`optimizers`, `schedules` and `numeric_features`. Each module ends with a table of the
names that users type. The module `functional` contains the network of the course, as
separate functions.
"""
