"""The web page of `paddle_gans.serve`: a tab for each trained model."""
