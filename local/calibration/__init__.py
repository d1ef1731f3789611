"""What a text model's cosines mean, measured on labelled pairs of a query and a spoken line."""
