"""The storage without rows, for thousands of runs of the control plane.

storage       which cluster was forked from which, with roles and databases
login_server  the socket of such a cluster: logins, and the few statements that need no rows
"""
