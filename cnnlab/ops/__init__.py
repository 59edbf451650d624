"""The operations of a convolutional network in NumPy, to read and to check against.

One room for each topic, readable alone, every backward pass next to its forward
pass. Arrays are channels-last, `(batch, height, width, channels)`, kernels
`(height, width, channels, filters)`, as in Keras. A `..._backward` takes `grad`, the
gradient of the loss for the output, then what the forward pass took, and returns the
gradients of the inputs, in their order. float32 stays float32, integers become
floats, and sizes that cannot be raise ValueError. "Deck 003:1370" is line 1370 of the
course's slides 003.

    windows         where a kernel looks: padding, strides, dilation
    convolution     plain, grouped, depthwise, transposed
    filtering       plain arrays: correlation, true convolution, classical kernels
    pooling         max, average, L2, global
    activations     identity to softmax
    layers          dense, batch normalisation, dropout
    losses          regression, classification, pairs
    map_losses      dense prediction
    initializers    zeros, LeCun, Glorot, He
    perceptrons     multilayer: scores, gradients, training
    training        penalties, SGD, perceptron rule, gradient check
"""

# ruff: noqa: F401 (re-exported)
from cnnlab.ops.activations import (
    elu,
    elu_backward,
    hard_threshold,
    hard_threshold_backward,
    identity,
    identity_backward,
    leaky_relu,
    leaky_relu_backward,
    parametric_relu,
    parametric_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    swish,
    swish_backward,
    tanh,
    tanh_backward,
)
from cnnlab.ops.convolution import (
    conv,
    conv_backward,
    conv_transpose,
    conv_transpose_backward,
    depthwise_conv,
    depthwise_conv_backward,
    grouped_conv,
    grouped_conv_backward,
)
from cnnlab.ops.filtering import (
    KERNELS,
    convolve,
    correlate,
)
from cnnlab.ops.initializers import (
    fans,
    glorot,
    he,
    lecun,
    zeros,
)
from cnnlab.ops.layers import (
    batch_normalization,
    batch_normalization_backward,
    dense,
    dense_backward,
    dropout,
    dropout_backward,
    moving_average,
)
from cnnlab.ops.losses import (
    binary_crossentropy,
    binary_crossentropy_backward,
    categorical_crossentropy,
    categorical_crossentropy_backward,
    contrastive_loss,
    contrastive_loss_backward,
    mean_squared_error,
    mean_squared_error_backward,
    softmax_crossentropy,
    softmax_crossentropy_backward,
)
from cnnlab.ops.map_losses import (
    bhattacharyya,
    bhattacharyya_backward,
    dice_loss,
    dice_loss_backward,
    exponential_absolute_difference,
    exponential_absolute_difference_backward,
    kl_divergence,
    kl_divergence_backward,
    mlnet,
    mlnet_backward,
)
from cnnlab.ops.perceptrons import (
    mlp,
    mlp_gradients,
    mlp_train,
)
from cnnlab.ops.pooling import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    global_max_pool_backward,
    l2_pool,
    l2_pool_backward,
    max_pool,
    max_pool_backward,
)
from cnnlab.ops.training import (
    gradient_check,
    inverse_decay,
    l1_penalty,
    l1_penalty_backward,
    l2_penalty,
    l2_penalty_backward,
    perceptron_step,
    sgd_step,
)
from cnnlab.ops.windows import (
    slide,
)
