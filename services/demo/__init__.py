"""The demo's touchpoints: real purchases and chats, and a simulated world around them from a fixed seed. Pure: no I/O but its own files.

``story`` has everything in order; ``data/README.md`` says what is real and where it comes from.
"""
