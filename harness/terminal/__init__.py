"""Everything a terminal shows: values -> text.

Results go to stdout, messages to stderr; words carry the meaning, colour only helps.

grid        columns -> a table that loses columns from the right where the terminal is narrow
preview     what is known of a plan before it starts
screens     a plan before it starts
ending      what came of it: the table of variants, and a line a claim
standing    where plans and runs stand
live        progress while runs train: a table on a terminal, a line an ending elsewhere
choices     what tuning, or fresh seeds, have chosen
searches/   the same of a search: before it starts, live, at its end, where it stands
documents   the same as one JSON document for programs
shell       consoles and printing
command_line  a function -> a command: its help, its errors of usage, its exit code
completion  what the shell offers for the names of experiments, profiles, variants and plans
"""
