"""Studies: many networks trained and scored, recorded so that nothing is lost and nothing runs twice."""
