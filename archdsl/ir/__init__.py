"""The typed intermediate representation, and how a tree becomes one."""
