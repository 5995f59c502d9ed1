"""Everything a terminal shows: values -> text.

Results go to stdout, messages to stderr; words carry the meaning, colour only helps.

tables         the tables of `reporting.tables` on a terminal; labels are shortened and columns lost where it is narrow
dry_run        a plan before it starts
live           progress while runs or trials train: a table on a terminal, a line for each result elsewhere; live_plan its runs
summary        what came of a plan: the table of variants, and a line a claim
status         where plans and runs stand; overview finds it out
choices        what tuning, or fresh seeds, have chosen
search_*, live_search   the same of a search
queue          a cluster's jobs; verified: what `verify` found
json_output    the same as one JSON document for programs
shell          the edge: consoles, printing, errors -> exit codes
command_line   a function -> a command: its help, its errors of usage, its exit code
completion     what the shell offers for the names of experiments, profiles, variants and plans
"""
