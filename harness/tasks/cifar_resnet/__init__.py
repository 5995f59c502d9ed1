"""The task `cifar_resnet`. No other package imports torch."""
