"""Text to tree and back: Lark's reading, the printer, and errors with a place."""
