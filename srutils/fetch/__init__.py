"""Public data sets: what there is, how to get it, and how to know that it is the right one."""
