"""The output of the commands: results on stdout, messages on stderr; colour never carries meaning alone.

tables         the tables of `reporting.tables` side by side or in blocks, and prose, for any width of the terminal
wrapping       text in lines of a width
pipe           the console of output that is not a terminal
dry_run        a plan before it starts
live           progress: a view on a terminal, lines elsewhere; live_plan and live_search provide its rows
live_*         its parts: the grid of runs, the layout of variants, the footer
training       what trains now
summary        results of a plan: the table of variants and the verdicts
tried          what --try would read from output that exists
status         progress of plans and runs, collected by overview
choices        settings chosen by tuning, and the confirmation of a search's best trials
search_*       the dry run, status and summary of a search
versions       the versions of the code that a plan compares
queue          a cluster's jobs
verified       the findings of `harness verify`
json_output    the documents of --json
shell          consoles, printing, exit codes
command_line   commands: help, usage errors, exit codes
completion     shell completion of the names of experiments, profiles, variants and plans
"""
