"""What Jupyter calls to start a kernel: a fork, in a moment, where it can be had.

A kernel provisioner: every client of Jupyter (nbclient, nbconvert, nbval, nbgrader,
JupyterLab) uses it unchanged, through the kernelspec that `install_kernelspec` puts
in place. Where no warm kernel can be had, it launches an ordinary one.
"""

import asyncio
import functools
import tempfile
from pathlib import Path

from ipykernel.kernelspec import get_kernel_dict, write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning import LocalProvisioner

from cnnlab.grading.jupyter import client

KERNEL_NAME = "cnnlab-warm"


class WarmProvisioner(LocalProvisioner):
    """Launches `ipykernel` as a fork of a server that has imported Keras and more."""

    async def launch_kernel(self, cmd, **kwargs):
        """Fork, or launch an ordinary kernel and say why, once."""
        try:
            # In a thread: the first kernel waits seconds for the server to import
            self.process = await asyncio.to_thread(client.fork, cmd, **kwargs)
        except (client.NoWarmKernel, OSError) as error:
            _say_once(self.log, str(error))
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        return self.connection_info

    async def send_signal(self, signum):
        """Signal the kernel's process group, unless the kernel has ended."""
        # by number, so only while we know that it is still the kernel's
        if self.process and await self.poll() is None:
            await super().send_signal(signum)


@functools.cache
def _say_once(log, why: str) -> None:
    log.warning("cnnlab: an ordinary kernel instead of a warm one: %s", why)


def install_kernelspec(prefix: str | None = None) -> Path:
    """Make "Python 3 (cnnlab warm)" known to Jupyter; the folder of its kernelspec.

    Args:
        prefix: the environment to install into, such as `sys.prefix`; default: for
            this user, whatever the environment.
    """
    ordinary = get_kernel_dict()
    provisioner = {"provisioner_name": KERNEL_NAME}
    changes = {
        "display_name": "Python 3 (cnnlab warm)",
        "metadata": {**ordinary["metadata"], "kernel_provisioner": provisioner},
    }
    with tempfile.TemporaryDirectory() as folder:
        source = write_kernel_spec(Path(folder) / KERNEL_NAME, overrides=changes)
        installed = KernelSpecManager().install_kernel_spec(
            source, KERNEL_NAME, user=prefix is None, prefix=prefix
        )
    return Path(installed)
