"""What the tests of the whole product stand on: a sandbox process, productions in it, the command, a web server."""
