"""Time and memory of building every network of `cnnlab.models`, as published.

    python benchmarks/models.py [--repeats 3] [NETWORK ...]

Each build runs in a fresh process on the CPU, so that its peak memory is its own and
nothing is warm but Keras, which has built one dense layer before the clock starts.
`seconds` is wall time and `cpu` the time of all cores, medians of the repeats;
`peak` is the most memory the process held beyond what it held before the build, and
`weights` what float32 parameters need at least. KERAS_BACKEND chooses the backend.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

NETWORKS = (
    "mlp lenet5 vgg_like alexnet vgg16 vgg19 googlenet mini_inception resnet18 "
    "resnet34 resnet50 resnet101 resnet152 resnet_cifar mobilenet unet generator "
    "discriminator siamese"
).split()
MIB = 2**20


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def build(name: str) -> dict[str, float]:
    """Build one network in this process; its costs."""
    import keras

    from cnnlab import models

    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    before, wall, cpu = peak_bytes(), time.perf_counter(), time.process_time()
    model = getattr(models, name)()
    return {
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": (peak_bytes() - before) / MIB,
        "params": model.count_params(),
    }


def measure(name: str, repeats: int) -> dict[str, float]:
    """Medians of `repeats` fresh processes."""
    command = [sys.executable, __file__, "--here", name]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            command, env={**quiet, **os.environ}, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{name} could not be built:\n{done.stderr}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(build(arguments.here)))
        return
    head = ("network", "parameters", "weights (MiB)", "peak (MiB)", "seconds", "cpu")
    print("{:<15}{:>12}{:>15}{:>12}{:>9}{:>7}".format(*head))
    for name in arguments.networks:
        row = measure(name, arguments.repeats)
        weights = 4 * row["params"] / MIB
        print(
            f"{name:<15}{row['params']:>12,.0f}{weights:>15.1f}{row['peak']:>12.1f}"
            f"{row['seconds']:>9.2f}{row['cpu']:>7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
