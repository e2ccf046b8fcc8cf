"""The command line. One file per group of commands; no measuring logic lives here."""
