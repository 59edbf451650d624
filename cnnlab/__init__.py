"""cnnlab: the practical half of a university course on convolutional networks.

Import the room you need: `from cnnlab import models, plots`. Importing the
package itself loads nothing heavy.
"""

__version__ = "0.1.0"
