# ---
# jupyter:
#   cnnlab:
#     title: A tiny lab
# ---

# %% [markdown]
# # A tiny lab
# For the tests of the kit itself: NumPy only, a tenth of a second.

# %%
import numpy as np

from cnnlab.teaching.check import check, close, equal, forbid_use

budget = 3

# %% [markdown]
# ## 1. Output size


# %% exercise="output_size" points=4
def output_size(size, kernel_size, strides=1):
    """Values per side that a convolution gives."""
    ### BEGIN SOLUTION
    return (size - kernel_size) // strides + 1
    ### END SOLUTION


# %% check="output_size"
@check
def output_size_rounds_down():
    """A convolution gives floor((n - k) / s) + 1 values per side."""
    equal(output_size(28, 5), 24, "output_size(28, 5)", "Count windows on paper.")
    equal(
        output_size(7, 2, 2),
        3,
        "output_size(7, 2, 2)",
        "A last window that does not fit is left out: round down.",
        "Divide with //, not /.",
    )


# %% probe="output_size" compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([8, 1, 1], [64, 8, 4], size=(20, 3))
[output_size(int(n), int(k), int(s)) for n, k, s in cases]


# %% exercise="correlate" points=6 forbid=["np.convolve", "np.correlate", "scipy"]
def correlate(x, kernel):
    """Slide a 1-D kernel over x, without padding."""
    ### BEGIN SOLUTION
    n = output_size(len(x), len(kernel))
    return np.array([x[i : i + len(kernel)] @ kernel for i in range(n)])
    ### END SOLUTION


# %% check="correlate"
@check
def correlate_slides_the_kernel():
    """Each output is the dot product of the kernel with one window."""
    forbid_use(correlate, "np.convolve", "np.correlate", "scipy")
    x, kernel = np.array([1.0, 4, -1, 0, 2]), np.array([1.0, 2, 0])
    close(
        correlate(x, kernel),
        [9, 2, -1],
        "correlate",
        "Layers do not flip the kernel.",
    )


# %% probe="correlate" weight=2
rng = np.random.default_rng(seed)
[correlate(rng.normal(size=n), rng.normal(size=4)) for n in (4, 9, 30)]

# %% probe="correlate" compare="at_least" margin=0.1
x = np.random.default_rng(seed).normal(size=9)
float(correlate(x, x)[0])

# %%
print(budget)
# -> 3

# %% tags=["not-graded"]
thirds = np.ones(3) / 3
noisy = np.array([2.0, 4, 3, 5, 4, 6])

# %% tags=["not-graded"]
smooth = correlate(noisy, thirds)
print(smooth)

# %% [markdown] question="why_floor" points=2
# Why is the size rounded down?
#
# ### BEGIN SOLUTION
# *2 points:* a window that does not fit gives no output.
# ### END SOLUTION
