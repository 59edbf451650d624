"""Whole networks: sizes in, `keras.Model` out.

Called without arguments, a builder gives the network as published. Images are
`(batch, height, width, channels)`; a classifier returns probabilities, `(batch,
num_classes)`. Parameters are `count_params()`, unless called trainable.

    classic     MLP, LeNet-5, AlexNet, VGG
    deep        GoogLeNet, ResNet, MobileNet
    beyond      U-Net, DCGAN, Siamese networks
    pretrained  with weights: VGG of ImageNet or of our shapes, LeNet of digits
    imagenet    weights trained on ImageNet, checked
"""

# ruff: noqa: F401 (re-exported)
from cnnlab.models.beyond import (
    discriminator,
    generator,
    omniglot_tower,
    siamese,
    unet,
)
from cnnlab.models.classic import alexnet, lenet5, mlp, vgg, vgg_like
from cnnlab.models.deep import (
    googlenet,
    mini_inception,
    mobilenet,
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet_cifar,
)
from cnnlab.models.pretrained import narrow_vgg16, trained_lenet5, vgg16, vgg19
