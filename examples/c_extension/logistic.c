/* Ten steps of the logistic map x -> 22 x (x + 1) mod 6700417, from one buffer of int64 to another. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

static void compute(const int64_t *x, int64_t *out, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t u = x[i];
        for (int step = 0; step < 10; step++) {
            u = 22 * u * (u + 1) % 6700417;
        }
        out[i] = u;
    }
}

static PyObject *steps(PyObject *module, PyObject *args) {
    Py_buffer x, out;
    if (!PyArg_ParseTuple(args, "y*w*", &x, &out)) {
        return NULL;
    }
    int fits = x.len == out.len && x.len % sizeof(int64_t) == 0;
    if (fits) {
        compute(x.buf, out.buf, x.len / sizeof(int64_t));
    } else {
        PyErr_SetString(PyExc_ValueError, "steps(x, out) takes two buffers of int64 of the same length");
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {{"steps", steps, METH_VARARGS, "steps(x, out)"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "logistic", .m_methods = methods};

PyMODINIT_FUNC PyInit_logistic(void) {
    return PyModule_Create(&definition);
}
