"""The command line: reads arguments, starts what runs, shows what came out. Nothing is decided here about customers."""
