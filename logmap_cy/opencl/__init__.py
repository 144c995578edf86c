"""The host side of the OpenCL implementations, whose kernels are in kernels/."""
