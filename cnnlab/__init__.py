"""cnnlab: the practical half of a university course on convolutional networks.

Import the room you need: `from cnnlab import models, plots`. Importing the
package itself loads nothing heavy; it keeps TensorFlow's start-up log off the screen.
"""

from cnnlab import _quiet

__version__ = "0.1.0"

_quiet.import_keras_quietly()
