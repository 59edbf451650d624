"""A process of a student's code: started, held, asked, ended."""
