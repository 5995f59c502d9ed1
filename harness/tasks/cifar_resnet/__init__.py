"""The task `cifar_resnet`: the only folder that imports torch."""
