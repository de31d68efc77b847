"""Logs of requests and answers, of three kinds, behind one form: `LoggedRows`."""
