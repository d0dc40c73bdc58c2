"""The command line: one file for each group of commands, one driver for all of them.

main.py      the entry point, and the list of commands
command.py   what every command has: its session, its options, its answer to errors
output.py    data on standard output, messages on standard error
"""
