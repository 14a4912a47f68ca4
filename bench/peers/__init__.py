"""The simple job (simple_job.py) on other stream processors, each as its own documentation would have it, and on Rapport beside them.

A peer is one file here, its packages a locked list beside it. Nothing of them is installed with Rapport: ``rapport bench --peers``
makes an environment for each in the user's cache folder.
"""
