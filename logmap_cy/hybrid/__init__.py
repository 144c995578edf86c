"""The implementation "hybrid": the processor and the OpenCL devices at once."""
