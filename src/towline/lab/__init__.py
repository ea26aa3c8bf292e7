"""Container hosts with sshd and their own engines: a fleet on one machine, to try things out."""
