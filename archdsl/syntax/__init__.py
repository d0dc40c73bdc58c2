"""Text to tree and back: the scan, the LALR machine, the printer, and errors with a place."""
