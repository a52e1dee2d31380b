"""pg_hba.conf as the server reads it: its lines, and the first that fits a connection.

The one library of Python for this file, pgtoolkit, reads each line by itself and with fewer rules
than the server: it knows no `include`, no line that goes on in the next, no blank after the comma
of a list and no `@file`, and says nothing of what fits. So the file is read here, and a test holds
this against `pg_hba_file_rules` of a real server.
"""
