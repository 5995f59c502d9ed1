"""The tables of reports and terminals, each defined once; terminal, HTML, Markdown and LaTeX render the same columns."""
