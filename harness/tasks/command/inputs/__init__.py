"""Which files a program's results depend on (`detection`), and the digests of their content (`fingerprint`)."""
