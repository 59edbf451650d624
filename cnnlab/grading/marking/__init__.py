"""The marking page: what people see and decide in a browser."""
