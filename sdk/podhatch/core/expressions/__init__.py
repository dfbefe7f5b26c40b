"""CEL expressions and JSON Schemas that users write: limits, checks, evaluation."""
