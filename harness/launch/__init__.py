"""Starting workers and watching them: a pool of processes, one supervisor for plans and searches."""
