"""What can be trained: the protocol and the registry of tasks, any program (`command/`), and the network that is shipped."""
