"""Studies: many networks trained and scored, with records so that nothing is lost and nothing runs twice."""
