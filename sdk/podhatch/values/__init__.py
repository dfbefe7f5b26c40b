"""Users' values: to JSON text and back, and what JSON the API server keeps."""
