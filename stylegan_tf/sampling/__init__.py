"""From seeds to latents, images and figures. An image belongs to its seed."""
