"""The mathematics of networks, as pure functions on arrays.

One file for each kind of component: `initializers`, `activations`, `losses`,
`optimizers`, `schedules` and `numeric_features`. Each file ends with the table of names
that users type.
`functional` is the network of the course, function by function.
"""
