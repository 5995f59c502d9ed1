"""What can be trained: their protocol and registry, any program (`command/`), the CIFAR-10 ResNet (`cifar_resnet/`)."""
