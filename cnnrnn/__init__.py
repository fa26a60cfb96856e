"""CNN-RNN multi-label image classification (Wang et al., CVPR 2016), trainable and inspectable."""

__version__ = "0.1.0"
