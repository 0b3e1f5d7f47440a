"""Making the networks of a profile from data: autoencoder, diffusion, refiner."""
