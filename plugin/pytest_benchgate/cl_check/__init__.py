"""`--cl-check`: kernels run on Oclgrind, a simulator, and fail the tests during which it reports a fault."""
