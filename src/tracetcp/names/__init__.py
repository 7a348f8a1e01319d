"""Names and origins of addresses, and addresses of names: the hosts file, then DNS.

The only package that knows DNS.
"""
