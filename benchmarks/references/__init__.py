"""What a careful person writes by hand, in the structure of the original implementations."""
